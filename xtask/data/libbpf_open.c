// Opens each raw BTF file named on the command line with libbpf, on the base that -b names, and prints its number of
// types. Exits with 1 if libbpf refuses one.
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int silent(enum libbpf_print_level level, const char *format, va_list arguments) {
	return level == LIBBPF_WARN ? vfprintf(stderr, format, arguments) : 0;
}

int main(int count, char **words) {
	struct btf *base = NULL;

	libbpf_set_print(silent);
	for (int i = 1; i < count; i++) {
		int is_base = !strcmp(words[i], "-b") && i + 1 < count;
		const char *path = is_base ? words[++i] : words[i];
		struct btf *btf = btf__parse_split(path, base);

		if (!btf || libbpf_get_error(btf)) {
			fprintf(stderr, "libbpf refuses %s: %s\n", path, strerror(errno));
			return 1;
		}
		for (unsigned int id = 1; id < btf__type_cnt(btf); id++) {
			const struct btf_type *type = btf__type_by_id(btf, id);

			if (!type || !btf__name_by_offset(btf, type->name_off)) {
				fprintf(stderr, "libbpf cannot read type %u of %s\n", id, path);
				return 1;
			}
		}
		printf("%u\n", btf__type_cnt(btf));
		if (is_base)
			base = btf;
		else
			btf__free(btf);
	}
	return 0;
}
