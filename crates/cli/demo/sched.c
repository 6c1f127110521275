/* The first unit: tasks, a run queue for each processor, time. */
#include "kernel.h"

/* Another unit means something else by this name. */
struct slot {
	u64 deadline;
	struct task_struct *task;
};

struct run_queue {
	u32 running;
	struct slot slots[2];
	struct task_struct *current_task;
};

/* Assembler too; devices.c calls the type of its parameter otherwise. */
extern void delay(u64 ticks);

static long no_call(struct task_struct *task, u64 argument)
{
	return -(long)argument - task->prio;
}

/* A weak definition: devices.c has the strong one. Both are in the DWARF, and the linker gives them one address. */
const struct ops default_ops __weak = { "none", no_call };

struct task_struct init_task = {
	.tasks = { &init_task.tasks, &init_task.tasks },
	.parent = &init_task,
	.ops = &default_ops,
	.comm = "swapper",
};

__percpu_data struct run_queue run_queues;
u64 jiffies_64;

/* The header says `extern const char banner[]`, its length comes later. */
const char banner[] = "Tiny kernel 0.1";

static char command_line[64] __init_data = "quiet";

/* Called with one constant only: the compiler removes the parameter. */
static noinline long charge(struct run_queue *queue, long ticks, int shift)
{
	queue->running += 1;
	queue->slots[0].deadline += ticks << shift;
	return queue->slots[0].deadline;
}

static noinline void reset(struct run_queue *queue)
{
	queue->running = 0;
	queue->current_task = &init_task;
}

long schedule(struct task_struct *next)
{
	static int switches;
	struct task_struct *previous = run_queues.current_task;

	if (++switches > 100)
		reset(&run_queues);
	run_queues.current_task = next;
	delay(next->prio);
	switch_to(previous, next);
	return charge(&run_queues, jiffies, 4) + charge(&run_queues, switches, 4) + command_line[0];
}
