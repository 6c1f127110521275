/* What the units of the tiny kernel share. Each declaration is a shape that real kernels have. */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;
typedef struct { u64 pgd; } pgd_t;

#define __init_data __attribute__((section(".init.data")))
#define __percpu_data __attribute__((section(".data..percpu")))
#define __weak __attribute__((weak))
#define noinline __attribute__((noinline))

struct list_head {
	struct list_head *next, *prev;
};

enum policy { POLICY_NORMAL, POLICY_FIFO, POLICY_IDLE };

struct task_struct {
	volatile long state;
	u32 in_syscall : 1;
	u32 no_new_privileges : 1;
	enum policy policy : 3;
	int prio;
	struct list_head tasks;
	struct task_struct *parent;
	const struct ops *ops;
	char comm[16];
};

struct ops {
	const char *name;
	long (*call)(struct task_struct *task, u64 argument);
};

struct font_data {
	u32 size;
	u8 glyphs[];
};

/* Assembler defines these, C only declares them. */
extern pgd_t init_top_pgt[512];
extern void switch_to(struct task_struct *previous, struct task_struct *next);

/* The linker script makes the one an alias of the other. */
extern u64 jiffies_64;
extern volatile unsigned long jiffies;

extern struct task_struct init_task;
extern const struct ops default_ops;
extern const char banner[];

long report(struct task_struct *task, u64 argument);
