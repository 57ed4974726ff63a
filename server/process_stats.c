#include "server/process_stats.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* When the system started, seconds since 1970. */
static double boot_time(void)
{
    char line[256];
    long long seconds = 0;
    FILE *file = fopen("/proc/stat", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "btime %lld", &seconds) == 1)
            break;
    if (file)
        fclose(file);
    return (double)seconds;
}

static double count_descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return 0;
    for (const struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count - 1; /* the folder's own */
}

struct process_stats process_stats_read(void)
{
    struct process_stats stats = {0};
    struct rlimit limit;
    char text[1024];
    unsigned long user = 0, kernel = 0, size = 0;
    long threads = 0, pages = 0;
    unsigned long long start = 0;
    double ticks = (double)sysconf(_SC_CLK_TCK);
    FILE *file = fopen("/proc/self/stat", "re");
    const char *fields = file && fgets(text, sizeof text, file) ? strrchr(text, ')') : NULL;
    if (file)
        fclose(file);
    /* Fields from the third on: proc(5). */
    if (fields &&
        sscanf(fields + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %ld %*d %llu %lu %ld",
               &user, &kernel, &threads, &start, &size, &pages) == 6) {
        stats.cpu_seconds = (double)(user + kernel) / ticks;
        stats.start_time = boot_time() + (double)start / ticks;
        stats.resident_bytes = (double)pages * (double)sysconf(_SC_PAGESIZE);
        stats.virtual_bytes = (double)size;
        stats.threads = (double)threads;
    }
    stats.open_descriptors = count_descriptors();
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        stats.max_descriptors = (double)limit.rlim_cur;
    return stats;
}
