/* What the system says of this process, as Prometheus' process_* metrics have it. Any thread; reads files of /proc. */
#ifndef DIGITD_PROCESS_STATS_H
#define DIGITD_PROCESS_STATS_H

struct process_stats {
    double cpu_seconds, start_time; /* since 1970 */
    double resident_bytes, virtual_bytes;
    double open_descriptors, max_descriptors;
    double threads;
};

/* Zeros for what the system does not tell. */
struct process_stats process_stats_read(void);

#endif
