/* Deduplicates a BTF file with the system's libbpf: libbpf_dedup INPUT OUTPUT. Prints how many seconds that took, reading
 * and writing not counted. */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <time.h>

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int count, char **files)
{
    if (count != 3)
        return 1;
    struct btf *btf = btf__parse(files[1], NULL);
    if (!btf || libbpf_get_error(btf))
        return 2;
    double start = now();
    if (btf__dedup(btf, NULL))
        return 3;
    printf("%.6f\n", now() - start);
    unsigned int size;
    const void *data = btf__raw_data(btf, &size);
    FILE *output = fopen(files[2], "w");
    return !output || fwrite(data, 1, size, output) != size || fclose(output) ? 4 : 0;
}
