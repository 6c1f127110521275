// A function to attach to, its argument by type, and a typed per-CPU variable.
// The types are declared as far as they are used; libbpf finds the kernel's own by their names.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "trace.h"

#define KERNEL __attribute__((preserve_access_index))

struct rq {
	int cpu;
} KERNEL;

struct filename {
	const char *name;
} KERNEL;

extern const struct rq runqueues __ksym;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct found);
} results SEC(".maps");

SEC("fentry/do_unlinkat")
int BPF_PROG(removal, int directory, struct filename *file)
{
	struct found *found = bpf_map_lookup_elem(&results, &(__u32){0});
	struct rq *rq;

	if (!found || bpf_get_current_pid_tgid() >> 32 != found->process)
		return 0;
	rq = bpf_this_cpu_ptr(&runqueues);
	found->cpu_by_type = rq->cpu;
	found->cpu_by_helper = bpf_get_smp_processor_id();
	bpf_probe_read_kernel_str(found->removed, sizeof(found->removed), file->name);
	found->calls++;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
