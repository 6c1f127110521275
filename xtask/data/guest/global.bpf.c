// A typed variable that is not per-CPU: its type comes from vmlinux BTF, or from that of vmlinux_btf_extra.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "trace.h"

#define KERNEL __attribute__((preserve_access_index))

struct new_utsname {
	char release[65];
} KERNEL;

struct uts_namespace {
	struct new_utsname name;
} KERNEL;

extern const struct uts_namespace init_uts_ns __ksym;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct found);
} results SEC(".maps");

SEC("fentry/do_unlinkat")
int BPF_PROG(removal)
{
	struct found *found = bpf_map_lookup_elem(&results, &(__u32){0});

	if (!found || bpf_get_current_pid_tgid() >> 32 != found->process)
		return 0;
	bpf_probe_read_kernel_str(found->release, sizeof(found->release), init_uts_ns.name.release);
	found->calls++;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
