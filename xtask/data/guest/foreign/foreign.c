// SPDX-License-Identifier: GPL-2.0 OR MIT
// A module that is built against one kernel and loaded into another. Its types refer to the kernel's in each way that
// a distilled base has to carry: by pointer, by value, through typedefs, arrays, enumerations and functions.
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

enum foreign_state { FOREIGN_IDLE, FOREIGN_BUSY = 7 };

struct foreign {
	struct list_head list;
	struct work_struct work;
	struct completion done[2];
	struct task_struct *owner;
	const struct file_operations *operations;
	struct kobject object;
	enum pid_type pid_type;
	enum foreign_state state;
	loff_t position;
	union {
		struct inode *inode;
		u64 cookie;
	};
};

int foreign_count(const struct foreign *foreign, struct task_struct *task, umode_t mode);

static struct foreign foreign_instance;
static int foreign_calls;

noinline int foreign_count(const struct foreign *foreign, struct task_struct *task, umode_t mode)
{
	return foreign->owner == task ? ++foreign_calls : mode;
}

static int __init foreign_init(void)
{
	foreign_instance.owner = current;
	foreign_instance.state = FOREIGN_BUSY;
	return foreign_count(&foreign_instance, current, 0) == 1 ? 0 : -EINVAL;
}

static void __exit foreign_exit(void)
{
	foreign_count(&foreign_instance, current, 0);
}

module_init(foreign_init);
module_exit(foreign_exit);
MODULE_DESCRIPTION("A module from another kernel");
MODULE_LICENSE("Dual MIT/GPL");
