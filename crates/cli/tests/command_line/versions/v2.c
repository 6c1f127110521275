/* The newer of two versions of a small interface. What differs from v1.c is listed in ../diff.rs. */
typedef unsigned int u32;

enum colour { RED, GREEN = 5, ALPHA = 9 };
enum { LIMIT = 16, NEW_FLAG = 1, KEPT_FLAG = 2 };
enum wide { WIDE_A, WIDE_B = 0x7fffffffffffffff };

struct came { int z; };
struct inner { int x; int y; };
struct pointed { long old; };
struct hole { int a; int fresh; long b; };
struct lost { int a; long c; };
struct order { int b; int a; };
struct retype { long *p; };
struct holder { struct inner i; };
struct rename { int after; };
struct bits { unsigned int a : 5; };
struct packed { unsigned int flag : 1; };
struct wrapped { union { int a; unsigned int a_flags; }; long b; };
struct unnamed { struct { int x; int y; } in; };
struct spelled { u32 v; };
struct group { union { struct { int p; int q; }; struct { int p; int q; } both; }; };
union either { int i; char c[4]; long l; };
typedef unsigned long handle;
typedef struct { int a; int b; } pair;
typedef int (*callback)(struct pointed *which, int number);

/* These do not change, though what they point to does. */
struct points { struct pointed *p; struct hole **q; const struct order *r[4]; callback call; };
typedef struct inner inner_alias;

/* A variable that only keeps the type in. */
#define KEEP(type, name) type *keep_##name
KEEP(enum colour, colour);
__typeof__(LIMIT) limit;
KEEP(enum wide, wide);
struct came *came_variable;
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

long retyped_variable = 1;
struct inner resized_variable = { 1, 2 };
const int moved_variable = 1;
u32 unchanged_variable = 1;

int added_function(int a) { return a; }
int parameter_added(int a, long b) { return a + (int)b; }
int parameter_removed(long b) { return (int)b; }
int parameter_retyped(int a, int b) { return a + b; }
int parameter_renamed(int a, long renamed) { return a + (int)renamed; }
int parameters_moved(long b, int a) { return a + (int)b; }
long return_retyped(int a) { return a; }
int unchanged_function(struct pointed *p, struct order *o) { return (int)p->old + o->a; }
