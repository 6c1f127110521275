/* The older of two versions of a small interface. What differs from v2.c is listed in ../diff.rs. */
typedef unsigned int u32;

enum colour { RED, GREEN, BLUE };
enum { LIMIT = 8, OLD_FLAG = 1, KEPT_FLAG = 2 };
enum wide { WIDE_A, WIDE_B = 0x7fffffff };

struct gone { int z; };
struct inner { int x; };
struct pointed { int old; };
struct hole { int a; long b; };
struct lost { int a; int b; long c; };
struct order { int a; int b; };
struct retype { int *p; };
struct holder { struct inner i; };
struct rename { int before; };
struct bits { unsigned int a : 3; };
struct packed { unsigned int flag; };
struct wrapped { int a; long b; };
struct unnamed { struct { int x; } in; };
struct spelled { unsigned int v; };
struct group { union { struct { int p; }; struct { int p; } both; }; };
union either { int i; char c[4]; };
typedef unsigned int handle;
typedef struct { int a; } pair;
typedef int (*callback)(struct pointed *which, int number);

/* These do not change, though what they point to does. */
struct points { struct pointed *p; struct hole **q; const struct order *r[4]; callback call; };
typedef struct inner inner_alias;

/* A variable that only keeps the type in. */
#define KEEP(type, name) type *keep_##name
KEEP(enum colour, colour);
__typeof__(LIMIT) limit;
KEEP(enum wide, wide);
struct gone *gone_variable;
KEEP(struct pointed, pointed);
KEEP(struct hole, hole);
KEEP(struct lost, lost);
KEEP(struct order, order);
KEEP(struct retype, retype);
KEEP(struct holder, holder);
KEEP(struct rename, rename);
KEEP(struct bits, bits);
KEEP(struct packed, packed);
KEEP(struct wrapped, wrapped);
KEEP(struct unnamed, unnamed);
KEEP(struct spelled, spelled);
KEEP(struct group, group);
KEEP(union either, either);
KEEP(handle, handle);
KEEP(pair, pair);
KEEP(struct points, points);
KEEP(inner_alias, inner_alias);

int retyped_variable = 1;
struct inner resized_variable = { 1 };
int moved_variable = 1;
u32 unchanged_variable = 1;

int removed_function(int a) { return a; }
int parameter_added(int a) { return a; }
int parameter_removed(int a, long b) { return a + (int)b; }
int parameter_retyped(int a, long b) { return a + (int)b; }
int parameter_renamed(int a, long b) { return a + (int)b; }
int parameters_moved(int a, long b) { return a + (int)b; }
int return_retyped(int a) { return a; }
int unchanged_function(struct pointed *p, struct order *o) { return p->old + o->a; }
