// A BPF program that asks of a kernel's types all that CO-RE can ask. It is compiled for the tests of `minimize`, which
// want relocations of every kind and do not run it. Types named ___matches are compared all the way down: the tests turn
// the question whether they exist into that, as compilers before LLVM 16 cannot ask it.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define HERE __attribute__((preserve_access_index))

typedef struct {
	int counter;
} atomic_t;

struct list_head {
	struct list_head *next, *prev;
} HERE;

struct qstr {
	const unsigned char *name;
} HERE;

struct dentry {
	struct qstr d_name;
	struct dentry *d_parent;
} HERE;

struct path {
	struct dentry *dentry;
} HERE;

struct file {
	struct path f_path;
	unsigned int f_flags;
} HERE;

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
} HERE;

struct files_struct {
	struct fdtable *fdt;
	struct fdtable fdtab;
	struct file *fd_array[64];
} HERE;

struct signal_struct {
	struct list_head thread_head;
	int nr_threads;
} HERE;

struct sched_entity {
	unsigned long long vruntime;
	unsigned int on_rq;
} HERE;

struct upid {
	int nr;
	void *ns;
} HERE;

struct pid {
	unsigned int level;
	struct upid numbers[1];
} HERE;

struct task_struct {
	int pid;
	unsigned int in_execve : 1;
	unsigned int sched_reset_on_fork : 1;
	struct sched_entity se;
	struct signal_struct *signal;
	struct files_struct *files;
	struct list_head tasks;
	char comm[16];
	void *no_such_member;
} HERE;

// As kernels before 5.14 have it, and as those from there on.
struct task_struct___old {
	long state;
} HERE;

struct task_struct___new {
	unsigned int __state;
} HERE;

// A member of another kind than the kernel's.
struct task_struct___odd {
	struct list_head *pid;
} HERE;

// Members inside unions and structures without names.
struct sk_buff {
	unsigned int len;
	unsigned char *head;
	unsigned char pkt_type : 3;
	unsigned short protocol;
	struct sk_buff *next;
	unsigned int no_fcs : 1;
} HERE;

struct sock_common {
	unsigned short skc_family;
	union {
		struct {
			unsigned int skc_daddr;
			unsigned int skc_rcv_saddr;
		};
	};
	unsigned short skc_dport;
} HERE;

struct sock {
	struct sock_common __sk_common;
	unsigned short sk_protocol;
} HERE;

struct bio_vec {
	unsigned int bv_len;
} HERE;

struct bio {
	struct bio_vec *bi_io_vec;
	struct bio_vec bi_inline_vecs[];
} HERE;

enum pid_type {
	PIDTYPE_PID = 100,
	PIDTYPE_TGID = 101,
	PIDTYPE_MAX = 102,
};

enum bpf_prog_type___some {
	BPF_PROG_TYPE_TRACING___some = 1000,
	BPF_PROG_TYPE_NO_SUCH___some = 1001,
};

struct no_such_struct {
	int member;
} HERE;

struct rcu_head;

struct cred___matches {
	atomic_t usage;
};

struct list_head___matches {
	struct list_head *next, *prev;
};

struct list_head___no_matches {
	struct list_head *next;
	int prev;
};

struct hlist_node___matches {
	struct hlist_node *next, **pprev;
};

enum pid_type___matches {
	PIDTYPE_PID___matches,
	PIDTYPE_SID___matches,
};

struct file_operations___matches {
	int (*flush)(struct file *, void *);
};

struct file_operations___no_matches {
	int (*flush)(struct file *, int);
};

typedef int (*initcall_t)(void);
typedef void (*no_such_function_t)(int);
typedef void *(*initcall_t___wrong)(void);

volatile __u64 out[64];

SEC("raw_tp/fields")
int fields(struct bpf_raw_tracepoint_args *context)
{
	struct task_struct *task = (void *)context->args[0];
	struct sk_buff *skb = (void *)context->args[1];
	struct sock *sk = (void *)context->args[2];
	struct bio *bio = (void *)context->args[3];
	struct pid *pid = (void *)context->args[4];

	out[0] = BPF_CORE_READ(task, pid);
	out[1] = BPF_CORE_READ(task, se.vruntime);
	out[2] = BPF_CORE_READ(task, se.on_rq);
	out[3] = (__u64)BPF_CORE_READ(task, files, fdt, fd);
	out[4] = (__u64)BPF_CORE_READ(task, files, fdtab.max_fds);
	out[5] = (__u64)BPF_CORE_READ(task, files, fd_array[3], f_path.dentry, d_name.name);
	out[6] = (__u64)BPF_CORE_READ(task, signal, thread_head.next);
	out[7] = (__u64)BPF_CORE_READ(task, tasks.prev);
	bpf_core_read((void *)&out[8], 8, &task->comm[8]);
	out[9] = BPF_CORE_READ(skb, len);
	out[10] = BPF_CORE_READ(skb, protocol);
	out[11] = (__u64)BPF_CORE_READ(skb, next, head);
	out[12] = BPF_CORE_READ(sk, __sk_common.skc_family);
	out[13] = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
	out[14] = BPF_CORE_READ(sk, __sk_common.skc_dport);
	out[15] = BPF_CORE_READ(sk, sk_protocol);
	out[16] = BPF_CORE_READ(bio, bi_io_vec, bv_len);
	bpf_core_read((void *)&out[17], 4, &bio->bi_inline_vecs[2].bv_len);
	bpf_core_read((void *)&out[18], 4, &pid->numbers[0].nr);
	bpf_core_read((void *)&out[19], 4, &pid[2].level);
	return 0;
}

SEC("raw_tp/bitfields")
int bitfields(struct bpf_raw_tracepoint_args *context)
{
	struct task_struct *task = (void *)context->args[0];
	struct sk_buff *skb = (void *)context->args[1];

	out[0] = BPF_CORE_READ_BITFIELD_PROBED(task, in_execve);
	out[1] = BPF_CORE_READ_BITFIELD_PROBED(task, sched_reset_on_fork);
	out[2] = BPF_CORE_READ_BITFIELD_PROBED(skb, pkt_type);
	out[3] = BPF_CORE_READ_BITFIELD_PROBED(skb, no_fcs);
	out[4] = __builtin_preserve_field_info(task->pid, BPF_FIELD_SIGNED);
	return 0;
}

SEC("raw_tp/questions")
int questions(struct bpf_raw_tracepoint_args *context)
{
	struct task_struct *task = (void *)context->args[0];
	struct task_struct___old *old = (void *)task;
	struct task_struct___new *new = (void *)task;
	struct task_struct___odd *odd = (void *)task;

	out[0] = bpf_core_field_exists(task->no_such_member);
	out[1] = bpf_core_field_exists(old->state) ? BPF_CORE_READ(old, state) : BPF_CORE_READ(new, __state);
	out[2] = bpf_core_field_exists(odd->pid);
	out[3] = bpf_core_field_size(task->comm);
	out[4] = bpf_core_field_exists(task->files->fd_array);
	out[5] = bpf_core_type_exists(struct no_such_struct);
	out[6] = bpf_core_type_exists(struct rcu_head);
	out[7] = bpf_core_type_exists(initcall_t);
	out[8] = bpf_core_type_exists(no_such_function_t);
	out[9] = bpf_core_type_exists(initcall_t___wrong);
	out[10] = bpf_core_type_size(struct task_struct);
	out[11] = bpf_core_type_size(struct file);
	out[12] = bpf_core_type_size(atomic_t);
	out[13] = bpf_core_enum_value(enum pid_type, PIDTYPE_TGID);
	out[14] = bpf_core_enum_value(enum pid_type, PIDTYPE_MAX);
	out[15] = bpf_core_enum_value_exists(enum bpf_prog_type___some, BPF_PROG_TYPE_TRACING___some);
	out[16] = bpf_core_enum_value(enum bpf_prog_type___some, BPF_PROG_TYPE_TRACING___some);
	out[17] = bpf_core_enum_value_exists(enum bpf_prog_type___some, BPF_PROG_TYPE_NO_SUCH___some);
	out[18] = bpf_core_type_id_local(struct task_struct);
	out[19] = bpf_core_type_exists(struct cred___matches);
	out[20] = bpf_core_type_exists(struct list_head___matches);
	out[21] = bpf_core_type_exists(struct list_head___no_matches);
	out[22] = bpf_core_type_exists(struct hlist_node___matches);
	out[23] = bpf_core_type_exists(enum pid_type___matches);
	out[24] = bpf_core_type_exists(struct file_operations___matches);
	out[25] = bpf_core_type_exists(struct file_operations___no_matches);
	return 0;
}

SEC("raw_tp/ids")
int ids(void *context)
{
	out[0] = bpf_core_type_id_kernel(struct task_struct);
	out[1] = bpf_core_type_id_kernel(struct no_such_struct);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
