/* A BPF program with relocations to types of the kernel, a map, global variables and two functions. */
#define SEC(name) __attribute__((section(name), used))
#define CORE __attribute__((preserve_access_index))
typedef unsigned int u32;
typedef unsigned long long u64;
struct task_struct { int pid; struct task_struct *real_parent; char comm[16]; } CORE;
struct local { int a; u64 b; };
struct { int (*type)[2]; int (*max_entries)[4]; u32 *key; struct local *value; } values SEC(".maps");
enum task_state { RUNNING = 3, STOPPED = 7 };
u64 counter = 1;
static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_probe_read_kernel)(void *dst, u32 size, const void *from) = (void *)113;
static u64 (*bpf_get_current_task)(void) = (void *)35;
static __attribute__((noinline)) int note(struct local *value, int pid) { value->a = pid; value->b += counter; return pid; }
SEC("raw_tp/sched_switch") int on_switch(u64 *context)
{
    struct task_struct *task = (void *)bpf_get_current_task();
    u32 key = 0; int pid = 0;
    struct local *value = bpf_map_lookup_elem(&values, &key);
    bpf_probe_read_kernel(&pid, sizeof(pid), &task->pid);
    if (value) { note(value, pid + __builtin_preserve_field_info(task->comm, 2)); value->b += __builtin_btf_type_id(*(struct local *)0, 0); }
    counter += RUNNING;
    return 0;
}
char _license[] SEC("license") = "GPL";
