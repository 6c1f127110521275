// Opens a BPF object with the types of a BTF file in place of the running kernel's, loads it as far as that goes, and
// prints what became of each relocation: libbpf's own words, in its order. Exits with 1 if libbpf did not get as far as
// relocating.
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>

static int relocations;

static int print(enum libbpf_print_level level, const char *format, va_list arguments) {
	char line[4096];

	vsnprintf(line, sizeof(line), format, arguments);
	if (strstr(line, ": relo #") &&
	    (strstr(line, "patched") || strstr(line, "substitut") || strstr(line, "poison") || level == LIBBPF_WARN)) {
		fputs(strstr(line, "prog '"), stdout);
		relocations++;
	}
	return 0;
}

int main(int count, char **words) {
	LIBBPF_OPTS(bpf_object_open_opts, options);

	if (count != 3)
		return 2;
	options.btf_custom_path = words[2];
	libbpf_set_print(print);
	struct bpf_object *object = bpf_object__open_file(words[1], &options);
	if (!object) {
		fprintf(stderr, "libbpf cannot open %s\n", words[1]);
		return 1;
	}
	// The verifier may refuse the programs: they are relocated before it sees them.
	int error = bpf_object__load(object);
	if (!relocations) {
		fprintf(stderr, "libbpf relocated nothing: %s\n", strerror(-error));
		return 1;
	}
	bpf_object__close(object);
	return 0;
}
