// Opens a BPF object with the types of a BTF file in place of the running kernel's, loads it as far as that goes, and
// prints what became of each relocation: libbpf's own words, in its order; after "without ", what there is no answer to.
// Exits with 1 if libbpf did not get as far as relocating.
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>

static int relocations;
static char question[1024];

static int print(enum libbpf_print_level level, const char *format, va_list arguments) {
	char line[4096];

	vsnprintf(line, sizeof(line), format, arguments);
	// The question comes first: `relo #0: <byte_off> [7] struct task_struct.pid (0:0 @ offset 0)`.
	char *asked = strstr(line, ": relo #") ? strstr(line, "> [") : NULL;
	if (asked && !strstr(line, "candidate")) {
		snprintf(question, sizeof(question), "%s", strstr(asked, "] ") + 2);
		question[strcspn(question, "\n")] = 0;
	}
	if (strstr(line, "no matching targets found"))
		printf("without %s\n", question);
	if (strstr(line, ": relo #") &&
	    (strstr(line, ": patched insn") || strstr(line, ": substituting insn") || level == LIBBPF_WARN)) {
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
