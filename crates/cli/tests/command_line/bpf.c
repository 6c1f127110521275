#define TAG(text) __attribute__((btf_decl_tag(#text)))
#define USER __attribute__((btf_type_tag("user")))
enum sign { MINUS = -1, PLUS };
enum wide { WIDE = 0x100000000ULL, HIGHEST = 0xffffffffffffffffULL };
enum top { TOP = 0xffffffffU };
struct forward;
union forward_union;
struct sample {
	int bits : 3;
	unsigned more : 5;
	long array[2];
	union {
		float f;
		double d;
	};
	enum sign sign;
	enum wide wide;
	enum top top;
	struct forward *forward;
	union forward_union *forward_union;
	int USER *user;
	const volatile char *restrict text;
	int (*call)(int, ...);
	int flexible[];
} TAG(sample);
extern int outside(struct sample *, ...);
extern int undefined_variable;
static int counter;
struct sample global;
_Bool flag;
const int read_only = 3;
int placed __attribute__((section("maps"))) = 3;
static int __attribute__((noinline)) inside(int x TAG(parameter))
{
	return x + counter;
}
int program(struct sample *sample) TAG(function)
{
	counter++;
	return outside(sample) + inside(sample->more) + undefined_variable;
}
