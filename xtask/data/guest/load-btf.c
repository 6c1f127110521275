// Gives a BTF to the verifier of the running kernel: load-btf [BASE] FILE.
//
// User space cannot name a base when it loads BTF. Ids and string offsets of a split BTF go on where those of its base
// end, so the two together are one BTF, and that is what is loaded.
#include <errno.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct file {
	unsigned char *bytes;
	size_t size;
	struct btf_header header;
};

static struct file read_btf(const char *path)
{
	struct file file = {};
	size_t room = 1 << 20;
	FILE *stream = fopen(path, "rb");

	if (!stream) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	file.bytes = malloc(room);
	for (;;) {
		size_t got = fread(file.bytes + file.size, 1, room - file.size, stream);

		if (!got)
			break;
		file.size += got;
		if (file.size == room)
			file.bytes = realloc(file.bytes, room *= 2);
	}
	fclose(stream);
	if (file.size < sizeof(file.header)) {
		fprintf(stderr, "%s: %zu bytes are no BTF\n", path, file.size);
		exit(1);
	}
	memcpy(&file.header, file.bytes, sizeof(file.header));
	return file;
}

static unsigned char *append(unsigned char *to, const struct file *file, uint32_t offset, uint32_t size)
{
	memcpy(to, file->bytes + file->header.hdr_len + offset, size);
	return to + size;
}

static struct file joined(const struct file *base, const struct file *split)
{
	const struct btf_header *a = &base->header, *b = &split->header;
	struct file both = { .header = *a };
	unsigned char *to;

	both.header.hdr_len = sizeof(both.header);
	both.header.type_off = 0;
	both.header.type_len = a->type_len + b->type_len;
	both.header.str_off = both.header.type_len;
	both.header.str_len = a->str_len + b->str_len;
	both.size = both.header.hdr_len + both.header.type_len + both.header.str_len;
	both.bytes = to = malloc(both.size);
	memcpy(to, &both.header, sizeof(both.header));
	to = append(to + sizeof(both.header), base, a->type_off, a->type_len);
	to = append(to, split, b->type_off, b->type_len);
	to = append(to, base, a->str_off, a->str_len);
	append(to, split, b->str_off, b->str_len);
	return both;
}

static int load(const struct file *file, char *log, uint32_t log_size)
{
	union bpf_attr attributes = {};

	attributes.btf = (uintptr_t)file->bytes;
	attributes.btf_size = file->size;
	if (log) {
		attributes.btf_log_buf = (uintptr_t)log;
		attributes.btf_log_size = log_size;
		attributes.btf_log_level = 1;
	}
	return syscall(SYS_bpf, BPF_BTF_LOAD, &attributes, sizeof(attributes));
}

int main(int argc, char **argv)
{
	static char log[16 << 20];
	struct file file;
	size_t end;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: load-btf [BASE] FILE\n");
		return 2;
	}
	file = read_btf(argv[argc - 1]);
	if (argc == 3) {
		struct file base = read_btf(argv[1]);

		file = joined(&base, &file);
	}
	if (load(&file, NULL, 0) >= 0) {
		printf("%zu bytes accepted\n", file.size);
		return 0;
	}
	fprintf(stderr, "refused: %s\n", strerror(errno));
	load(&file, log, sizeof(log));
	end = strlen(log);
	fprintf(stderr, "%s\n", end > 300 ? log + end - 300 : log);
	return 1;
}
