// Loads the program of percpu.bpf.c or global.bpf.c, attaches it, makes it run and looks at what it found.
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "trace.h"

static int complain(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error < 0 ? -error : error));
	return 1;
}

static int print_all_but_debug(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return level == LIBBPF_DEBUG ? 0 : vfprintf(stderr, format, arguments);
}

// On the first processor, a wrong address can give the right answer.
static void run_on_last_processor(void)
{
	cpu_set_t last;

	CPU_ZERO(&last);
	CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &last);
	sched_setaffinity(0, sizeof(last), &last);
}

static int judge_percpu(const struct found *found, const char *victim)
{
	printf("runqueues.cpu is %d, the processor %d, the removed file %s\n", found->cpu_by_type, found->cpu_by_helper,
	       found->removed);
	return found->cpu_by_type != found->cpu_by_helper || strcmp(found->removed, victim) != 0;
}

static int judge_global(const struct found *found)
{
	struct utsname system;

	uname(&system);
	printf("init_uts_ns.name.release is \"%s\", the release %s\n", found->release, system.release);
	return strcmp(found->release, system.release) != 0;
}

int main(int argc, char **argv)
{
	const char *victim = "/tmp/to-be-removed";
	struct found found = { .process = getpid() };
	struct bpf_program *program;
	struct bpf_object *object;
	struct bpf_map *map;
	const int key = 0;
	int error;

	if (argc != 3)
		return complain("usage: trace percpu|global FILE", EINVAL);
	libbpf_set_print(print_all_but_debug);
	object = bpf_object__open_file(argv[2], NULL);
	if (!object)
		return complain("open", errno);
	error = bpf_object__load(object);
	if (error)
		return complain("load", error);
	map = bpf_object__find_map_by_name(object, "results");
	if (!map || bpf_map_update_elem(bpf_map__fd(map), &key, &found, 0))
		return complain("results", map ? errno : ENOENT);
	program = bpf_object__next_program(object, NULL);
	if (!program || !bpf_program__attach(program))
		return complain("attach", errno);
	run_on_last_processor();
	close(open(victim, O_CREAT | O_WRONLY, 0600));
	unlink(victim);
	if (bpf_map_lookup_elem(bpf_map__fd(map), &key, &found))
		return complain("results", errno);
	if (found.calls != 1) {
		fprintf(stderr, "the program ran %u times, not once\n", found.calls);
		return 1;
	}
	return strcmp(argv[1], "percpu") == 0 ? judge_percpu(&found, victim) : judge_global(&found);
}
