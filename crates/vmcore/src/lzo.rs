//! LZO1X decompression.
//!
//! A stream is a sequence of instructions. Each copies a run from what has been put out already, or literals from the
//! stream; the lowest two bits of a copy tell how many literals (0 to 3) follow it. What instructions below 16 mean depends
//! on how many literals the one before them copied. Lengths that do not fit go on in bytes after the instruction: each 0
//! is 255 more, the first other byte ends it. A copy from distance 16,384 of the last kind ends the stream.

/// Decompresses into `output`; gives the number of bytes written, or what is wrong.
pub(crate) fn decompress(input: &[u8], output: &mut [u8]) -> Result<usize, &'static str> {
    let mut stream = Stream { input, at: 0, output, written: 0 };
    // Literals that the last instruction copied: 0 to 3, or 4 for a long run.
    let mut state = 0;
    if let Some(&first) = input.first().filter(|&&first| first >= 18) {
        stream.at = 1;
        let count = usize::from(first) - 17;
        stream.literals(count)?;
        state = count.min(4);
    }
    loop {
        let instruction = stream.byte()?;
        let bits = instruction;
        let (distance, length, literals) = match instruction {
            64.. => {
                let distance = (stream.byte()? << 3) + (bits >> 2 & 7) + 1;
                (distance, (bits >> 5) + 1, bits & 3)
            }
            32.. => {
                let length = stream.length(bits & 31, 31)? + 2;
                let low = stream.word()?;
                ((low >> 2) + 1, length, low & 3)
            }
            16.. => {
                let length = stream.length(bits & 7, 7)? + 2;
                let low = stream.word()?;
                let distance = 16384 + ((bits & 8) << 11) + (low >> 2);
                if distance == 16384 {
                    return if length == 3 { Ok(stream.written) } else { Err("its LZO stream ends wrongly") };
                }
                (distance, length, low & 3)
            }
            _ if state == 0 => {
                let count = stream.length(bits, 15)? + 3;
                stream.literals(count)?;
                state = 4;
                continue;
            }
            _ => {
                let near = state != 4;
                let base = if near { 1 } else { 2049 };
                let distance = (stream.byte()? << 2) + (bits >> 2) + base;
                (distance, if near { 2 } else { 3 }, bits & 3)
            }
        };
        stream.copy(distance, length)?;
        stream.literals(literals)?;
        state = literals;
    }
}

struct Stream<'s> {
    input: &'s [u8],
    at: usize,
    output: &'s mut [u8],
    written: usize,
}

const CUT: &str = "its LZO stream is cut short";
const LONG: &str = "its LZO stream is longer than a page";

impl Stream<'_> {
    fn byte(&mut self) -> Result<usize, &'static str> {
        let byte = *self.input.get(self.at).ok_or(CUT)?;
        self.at += 1;
        Ok(usize::from(byte))
    }

    fn word(&mut self) -> Result<usize, &'static str> {
        Ok(self.byte()? | self.byte()? << 8)
    }

    /// A length: what stands in the instruction, or if that is 0, `base` and the bytes that follow.
    fn length(&mut self, bits: usize, base: usize) -> Result<usize, &'static str> {
        if bits != 0 {
            return Ok(bits);
        }
        let mut length = base;
        loop {
            match self.byte()? {
                0 => length += 255,
                last => return Ok(length + last),
            }
        }
    }

    fn literals(&mut self, count: usize) -> Result<(), &'static str> {
        let from = self.input.get(self.at..self.at + count).ok_or(CUT)?;
        self.output.get_mut(self.written..self.written + count).ok_or(LONG)?.copy_from_slice(from);
        self.at += count;
        self.written += count;
        Ok(())
    }

    /// Copies `length` bytes from `distance` bytes back; the run may reach into what it writes.
    fn copy(&mut self, distance: usize, length: usize) -> Result<(), &'static str> {
        let from = self.written.checked_sub(distance).ok_or("its LZO stream refers to before its start")?;
        if length > self.output.len() - self.written {
            return Err(LONG);
        }
        for index in 0..length {
            self.output[self.written + index] = self.output[from + index];
        }
        self.written += length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pages that compress in all ways: runs, repeats near and far, noise.
    fn pages() -> Vec<Vec<u8>> {
        let mut seed = 1u32;
        let mut noise = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        };
        let mut pages = vec![vec![0; 4096], (0..4096).map(|_| noise()).collect()];
        for kind in 2..40usize {
            let mut page: Vec<u8> = Vec::new();
            while page.len() < 65536 >> (kind % 5) {
                let run = usize::from(noise()) % (kind * 3) + 1;
                if page.len() > 8 && noise() % 3 != 0 {
                    let reach = (usize::from(noise()) << 8 | usize::from(noise())) % page.len() + 1;
                    for _ in 0..run {
                        page.push(page[page.len() - reach]);
                    }
                } else {
                    page.extend((0..run).map(|_| noise()));
                }
            }
            pages.push(page);
        }
        pages
    }

    #[test]
    fn what_another_library_compressed_comes_back() {
        for page in pages() {
            let stored = lzokay_native::compress(&page).unwrap();
            let mut output = vec![0; page.len()];
            assert_eq!(decompress(&stored, &mut output), Ok(page.len()));
            assert_eq!(output, page);
        }
    }

    #[test]
    fn broken_streams_are_refused_without_a_panic() {
        for page in pages().iter().skip(1).take(6) {
            let stored = lzokay_native::compress(page).unwrap();
            let mut output = vec![0; page.len()];
            for cut in (0..stored.len()).step_by(7) {
                assert!(decompress(&stored[..cut], &mut output).is_err());
                let mut broken = stored.clone();
                broken[cut] ^= 0x41;
                let _ = decompress(&broken, &mut output);
            }
            assert_eq!(decompress(&stored, &mut output[1..]), Err(LONG));
        }
    }
}
