/* The second unit: devices. */
#include "kernel.h"

struct slot {
	u8 bus, device;
	u32 pins[4];
};

typedef u64 ticks_t;
extern void delay(ticks_t ticks);

static struct slot slots[8];

long report(struct task_struct *task, u64 argument)
{
	return task->ops->call(task, argument) + slots[argument & 7].pins[0];
}

const struct ops default_ops = { "devices", report };

/* Larger than its type: the initialiser fills the flexible array. */
const struct font_data font_8x8 = { 16, { 0x18, 0x3c, 0x66, 0xc3, 0xff, 0xc3, 0xc3, 0xc3, 1, 2, 3, 4, 5, 6, 7, 8 } };

/* sched.c has another one: who asks for "reset" cannot be told which. */
static noinline void reset(u8 bus, int line)
{
	for (int i = 0; i < 8; i++)
		if (slots[i].bus == bus)
			slots[i].pins[0] = line;
}

void plug(u8 bus, int line)
{
	reset(bus, line);
	delay(1000);
	slots[bus & 7].pins[1] = init_top_pgt[0].pgd;
}
