#!/usr/bin/env bash
# Makes the seeds anew: from small.c, with gcc 12 or newer and binutils; those that no compiler makes with cargo.
set -euo pipefail
cd "$(dirname "$0")"
rm -f btf/gcc.btf elf/* dwarf/*
compile() { # OUTPUT OPTION...
  gcc -c -O2 -fno-asynchronous-unwind-tables -ffile-prefix-map="$PWD"=. -o "$1" "${@:2}" small.c
}
compile dwarf/v5.o -gdwarf-5
compile dwarf/v4.o -gdwarf-4
compile dwarf/v3.o -gdwarf-3 -gstrict-dwarf
compile dwarf/sections.o -gdwarf-5 -ffunction-sections -fdata-sections
compile dwarf/types.o -gdwarf-5 -fdebug-types-section
compile dwarf/dwarf64.o -gdwarf-5 -gdwarf64
compile dwarf/compressed.o -gdwarf-5 -gz=zlib
gcc -O1 -gdwarf-5 -nostdlib -static -Wl,-z,noseparate-code -Wl,-e,run,--build-id=none -ffile-prefix-map="$PWD"=. -o dwarf/linked small.c
compile elf/plain.o
gcc -O1 -fPIC -shared -nostdlib -s -Wl,-z,noseparate-code -Wl,--build-id=none -o elf/shared.so small.c
compile elf/btf.o -gbtf
objcopy --dump-section .BTF=btf/gcc.btf elf/btf.o
cargo xtask fuzz-smoke --write-seeds
