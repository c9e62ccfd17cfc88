// SPDX-License-Identifier: Apache-2.0
/*
 * The C reference of the capture bench: reads the generator's records with libbpf's perf_buffer
 * and copies each into a ring of the size our workers use.
 *
 *   consumer OBJECT PID RECORDS_PER_CALL RING_PAGES CPU WARM_UP_MS MEASURE_MS tuned|default
 *
 * default: as perf_buffer__new() does it, one wake-up per record.
 * tuned:   a wake-up per quarter ring and a 5 ms poll, the same watermark as our workers.
 * Prints one line of JSON.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { COPY_RING_SIZE = 4 << 20, COPY_SLACK = 64 << 10, POLL_TIMEOUT_MS = 5 };

struct control {
    unsigned int tgid;
    unsigned int records_per_call;
};

struct reader {
    char *copy;
    size_t at;
    unsigned long long records;
    unsigned long long bytes;
    unsigned long long lost;
    unsigned long long polls;
};

static long long clock_ns(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static enum bpf_perf_event_ret on_event(void *ctx, int cpu, struct perf_event_header *event) {
    struct reader *reader = ctx;
    (void)cpu;
    if (event->type == PERF_RECORD_LOST) {
        /* header, u64 id, u64 lost */
        unsigned long long lost;
        memcpy(&lost, (char *)event + sizeof(*event) + 8, sizeof(lost));
        reader->lost += lost;
        return LIBBPF_PERF_EVENT_CONT;
    }
    if (event->type != PERF_RECORD_SAMPLE)
        return LIBBPF_PERF_EVENT_CONT;
    memcpy(reader->copy + reader->at, event, event->size);
    reader->at = (reader->at + event->size) & (COPY_RING_SIZE - 1);
    reader->records++;
    reader->bytes += event->size;
    return LIBBPF_PERF_EVENT_CONT;
}

static struct perf_buffer *open_buffer(int map_fd, size_t pages, int cpu, int tuned,
                                       struct reader *reader) {
    int cpus[] = {cpu};
    struct perf_event_attr attr = {
        .size = sizeof(attr),
        .type = PERF_TYPE_SOFTWARE,
        .config = PERF_COUNT_SW_BPF_OUTPUT,
        .sample_type = PERF_SAMPLE_RAW,
        .sample_period = 1,
        .wakeup_events = 1,
    };
    if (tuned) {
        attr.watermark = 1;
        attr.wakeup_watermark = pages * sysconf(_SC_PAGESIZE) / 4;
    }
    LIBBPF_OPTS(perf_buffer_raw_opts, options, .cpu_cnt = 1, .cpus = cpus, .map_keys = cpus);
    return perf_buffer__new_raw(map_fd, pages, &attr, on_event, reader, &options);
}

static void read_until(struct perf_buffer *buffer, struct reader *reader, int tuned,
                       long long end) {
    while (clock_ns(CLOCK_MONOTONIC) < end) {
        int ready = perf_buffer__poll(buffer, POLL_TIMEOUT_MS);
        reader->polls++;
        /* Below the watermark poll reports nothing, yet records may wait. */
        if (tuned && ready == 0)
            perf_buffer__consume_buffer(buffer, 0);
    }
}

static int fail(const char *what) {
    fprintf(stderr, "Cannot %s: %s\n", what, strerror(errno));
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 9) {
        fprintf(stderr, "usage: consumer OBJECT PID RECORDS_PER_CALL RING_PAGES CPU WARM_UP_MS "
                        "MEASURE_MS tuned|default\n");
        return 2;
    }
    struct control wanted = {atoi(argv[2]), atoi(argv[3])}, none = {0, 0};
    long long warm_up_ns = atoll(argv[6]) * 1000000, measure_ns = atoll(argv[7]) * 1000000;
    int tuned = !strcmp(argv[8], "tuned");
    unsigned int zero = 0;
    struct reader reader = {.copy = malloc(COPY_RING_SIZE + COPY_SLACK)};

    libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
    struct bpf_object *object = bpf_object__open(argv[1]);
    if (!object || bpf_object__load(object))
        return fail("load the generator");
    int control_fd = bpf_object__find_map_fd_by_name(object, "control");
    struct perf_buffer *buffer = open_buffer(bpf_object__find_map_fd_by_name(object, "records"),
                                             atoi(argv[4]), atoi(argv[5]), tuned, &reader);
    if (!buffer || !reader.copy)
        return fail("open the perf buffer");
    struct bpf_program *program = bpf_object__find_program_by_name(object, "on_sys_enter");
    struct bpf_link *link = bpf_program__attach(program);
    if (!link || bpf_map_update_elem(control_fd, &zero, &wanted, BPF_ANY))
        return fail("attach the generator");

    read_until(buffer, &reader, tuned, clock_ns(CLOCK_MONOTONIC) + warm_up_ns);
    struct reader before = reader;
    long long cpu_start = clock_ns(CLOCK_THREAD_CPUTIME_ID), start = clock_ns(CLOCK_MONOTONIC);
    read_until(buffer, &reader, tuned, start + measure_ns);
    long long cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_start;
    long long wall_ns = clock_ns(CLOCK_MONOTONIC) - start;
    bpf_map_update_elem(control_fd, &zero, &none, BPF_ANY);

    printf("{\"records\":%llu,\"bytes\":%llu,\"lost\":%llu,\"wakeUps\":%llu,\"wallNs\":%lld,"
           "\"readerCpuNs\":%lld}\n",
           reader.records - before.records, reader.bytes - before.bytes, reader.lost - before.lost,
           reader.polls - before.polls, wall_ns, cpu_ns);
    bpf_link__destroy(link);
    perf_buffer__free(buffer);
    bpf_object__close(object);
    free(reader.copy);
    return 0;
}
