/* The seed of all fuzz targets: a little of each kind of type, function and variable. */
typedef unsigned int u32;
typedef struct { int counter; } atomic_t;

enum color { RED, GREEN = 5, BLUE = -1 };
enum wide { LITTLE = 1, HUGE = 0x100000000 };

union value {
	long number;
	const char *text;
	double real;
};

struct list {
	struct list *next, *prev;
};

struct item {
	struct list list;
	u32 ready : 1, state : 7;
	enum color color;
	union {
		union value value;
		struct {
			short low, high;
		};
	};
	int (*run)(struct item *item, const void *data, ...);
	volatile atomic_t users;
	int matrix[2][3];
	char name[];
};

struct opaque;

int counter = 1;
static const char banner[] = "seed";
static struct item *cache[4];
struct opaque *hidden;
enum wide width = HUGE;
__attribute__((section(".init.data"))) static struct list head = { &head, &head };
__thread int per_thread;

static __attribute__((noinline)) int use(struct item *item, u32 index) {
	static int calls;
	calls += index;
	cache[index & 3] = item;
	return item->run ? item->run(item, banner, calls) : (int)item->value.number;
}

int run(struct item *restrict item, enum color color) {
	item->color = color;
	item->list = head;
	return use(item, counter++);
}

__attribute__((weak)) void *weak_one(void *argument) {
	return hidden ? argument : (void *)&head;
}
