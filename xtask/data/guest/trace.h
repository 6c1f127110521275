// What the programs and their loader tell each other, in the only element of the map "results". (Not in
// a global variable: libbpf asks for those with a socket filter, and a kernel without networking has none.)
struct found {
	// Only calls of this process count.
	unsigned int process;
	unsigned int calls;
	int cpu_by_type;
	int cpu_by_helper;
	char removed[32];
	char release[65];
};
