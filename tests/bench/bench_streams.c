/* Clients that follow the log of events, all in this one thread: bench_streams PORT COUNT AFTER.
 *
 * A line "turn" on standard input opens all streams or closes them, in turn; a stream that is opened again goes on after the
 * event that it had last. Each must get every event that is in the log once and in order, so the one after `AFTER` first and then
 * each with the next id. After each line, whatever it is, prints {"events": in all, "progress": messages that are not in the
 * log, "faults": events out of order, "refused": replies other than a stream, "least", "most": ids of the last events of the streams}. */
#include "tests/bench/bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINE_MAX_SIZE 4096

struct follower {
    int fd;
    long long last; /* id of the newest event */
    bool refused;   /* by a server that is busy: it is asked again */
    size_t length;
    char line[LINE_MAX_SIZE]; /* the beginning of one */
};

struct crowd {
    int epoll;
    uint16_t port;
    size_t count;
    bool is_open;
    long long events, progress, faults, refused;
    struct follower followers[];
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void follow(struct crowd *crowd, struct follower *follower)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(crowd->port)};
    char request[256];
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    follower->length = 0;
    follower->refused = false;
    follower->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (follower->fd < 0 || connect(follower->fd, (struct sockaddr *)&address, sizeof address))
        fail("connect");
    int length = snprintf(request, sizeof request,
                          "GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n"
                          "Last-Event-ID: %lld\r\n\r\n",
                          follower->last);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = follower};
    if (write(follower->fd, request, (size_t)length) != length ||
        epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, follower->fd, &event))
        fail("request");
}

static void take_line(struct crowd *crowd, struct follower *follower)
{
    follower->line[follower->length] = '\0';
    follower->length = 0;
    if (strncmp(follower->line, "HTTP/1.1 ", 9) == 0 && strncmp(follower->line, "HTTP/1.1 200", 12) != 0) {
        follower->refused = true;
        crowd->refused++;
    }
    if (strncmp(follower->line, "event: progress", 15) == 0)
        crowd->progress++;
    if (strncmp(follower->line, "id: ", 4) != 0)
        return;
    long long id = strtoll(follower->line + 4, NULL, 10);
    crowd->events++;
    crowd->faults += id != follower->last + 1;
    follower->last = id;
}

/* What does not fit into a line is data, of which nothing is wanted. */
static void take_bytes(struct crowd *crowd, struct follower *follower)
{
    char bytes[16384];
    ssize_t got = read(follower->fd, bytes, sizeof bytes);
    if (got <= 0) {
        fprintf(stderr, "a stream has ended\n");
        exit(1);
    }
    for (ssize_t i = 0; i < got; i++) {
        if (bytes[i] == '\n')
            take_line(crowd, follower);
        else if (follower->length < LINE_MAX_SIZE - 1)
            follower->line[follower->length++] = bytes[i];
    }
    if (follower->refused) {
        close(follower->fd);
        follow(crowd, follower);
    }
}

static void turn(struct crowd *crowd)
{
    crowd->is_open = !crowd->is_open;
    for (size_t i = 0; i < crowd->count; i++) {
        if (crowd->is_open)
            follow(crowd, &crowd->followers[i]);
        else
            close(crowd->followers[i].fd);
    }
}

static void report(const struct crowd *crowd)
{
    long long least = crowd->followers[0].last, most = least;
    for (size_t i = 1; i < crowd->count; i++) {
        long long last = crowd->followers[i].last;
        least = last < least ? last : least;
        most = last > most ? last : most;
    }
    printf("{\"events\": %lld, \"progress\": %lld, \"faults\": %lld, \"refused\": %lld, \"least\": %lld, "
           "\"most\": %lld}\n",
           crowd->events, crowd->progress, crowd->faults, crowd->refused, least, most);
    fflush(stdout);
}

/* False at the end of standard input. */
static bool obey(struct crowd *crowd)
{
    char line[16];
    ssize_t got = read(STDIN_FILENO, line, sizeof line);
    if (got > 0 && strncmp(line, "turn", 4) == 0)
        turn(crowd);
    if (got > 0)
        report(crowd);
    return got > 0;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    size_t count = strtoul(argv[2], NULL, 10);
    struct crowd *crowd = calloc(1, sizeof *crowd + count * sizeof *crowd->followers);
    if (!crowd || count == 0)
        return 2;
    *crowd = (struct crowd){
        .epoll = epoll_create1(EPOLL_CLOEXEC), .port = (uint16_t)strtoul(argv[1], NULL, 10), .count = count};
    for (size_t i = 0; i < count; i++)
        crowd->followers[i].last = strtoll(argv[3], NULL, 10);
    struct epoll_event input = {.events = EPOLLIN}, ready[256];
    if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input))
        fail("epoll");
    bench_introduce();
    for (bool goes_on = true; goes_on;) {
        int found = epoll_wait(crowd->epoll, ready, sizeof ready / sizeof *ready, -1);
        for (int i = 0; i < found && goes_on; i++) {
            if (ready[i].data.ptr)
                take_bytes(crowd, ready[i].data.ptr);
            else
                goes_on = obey(crowd);
        }
    }
    free(crowd);
    return 0;
}
