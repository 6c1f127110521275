//! Functions that a hosted C compiler knows without a declaration. Nothing else can have their names, in clang not even
//! where no header was included.

/// Functions of `<stdlib.h>`, `<string.h>`, `<math.h>` and the like, sorted.
#[rustfmt::skip]
pub(super) const FUNCTIONS: &[&str] = &[
    "_Exit", "_exit", "abort", "abs", "acos", "acosh", "alloca", "asin", "asinh", "atan", "atan2", "atanh",
    "bcmp", "bcopy", "bzero", "cabs", "cacos", "calloc", "carg", "casin", "catan", "cbrt", "ccos", "ceil",
    "cexp", "cimag", "clog", "conj", "copysign", "cos", "cosh", "cpow", "cproj", "creal", "csin", "csqrt",
    "ctan", "erf", "erfc", "exit", "exp", "exp2", "expm1", "fabs", "fdim", "floor", "fma", "fmax", "fmin",
    "fmod", "fopen", "fprintf", "fread", "free", "frexp", "fscanf", "fwrite", "getcontext", "hypot", "ilogb",
    "index", "isalnum", "isalpha", "isblank", "iscntrl", "isdigit", "isgraph", "islower", "isprint",
    "ispunct", "isspace", "isupper", "isxdigit", "labs", "ldexp", "lgamma", "llabs", "llrint", "llround",
    "log", "log10", "log1p", "log2", "logb", "longjmp", "lrint", "lround", "malloc", "memalign", "memccpy",
    "memchr", "memcmp", "memcpy", "memmove", "mempcpy", "memset", "modf", "nan", "nearbyint", "nextafter",
    "nexttoward", "pow", "printf", "realloc", "remainder", "remquo", "rindex", "rint", "round", "savectx",
    "scalbln", "scalbn", "scanf", "setjmp", "siglongjmp", "sigsetjmp", "sin", "sinh", "snprintf", "sprintf",
    "sqrt", "sscanf", "stpcpy", "stpncpy", "strcasecmp", "strcat", "strchr", "strcmp", "strcpy", "strcspn",
    "strdup", "strerror", "strlcat", "strlcpy", "strlen", "strncasecmp", "strncat", "strncmp", "strncpy",
    "strndup", "strpbrk", "strrchr", "strspn", "strstr", "strtod", "strtof", "strtok", "strtol", "strtold",
    "strtoll", "strtoul", "strtoull", "strxfrm", "tan", "tanh", "tgamma", "tolower", "toupper", "trunc",
    "vfork", "vfprintf", "vfscanf", "vprintf", "vscanf", "vsnprintf", "vsprintf", "vsscanf", "wcschr",
    "wcscmp", "wcslen", "wcsncmp", "wmemchr", "wmemcmp", "wmemcpy", "wmemmove",
];

#[cfg(test)]
mod tests {
    #[test]
    fn functions_are_found_by_their_names() {
        assert!(super::FUNCTIONS.is_sorted());
    }
}
