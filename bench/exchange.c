/*
 * Pairs that answer each other, on connections that are logged in already and inherited.
 *
 * A message of a pair is sent as soon as the one before it has come. What a dialect looks like is
 * in the arguments, so this file knows none:
 *
 *   exchange MESSAGES LENGTH WORDS MESSAGE TEXT SUFFIX (FD PREFIX)...
 *
 * Each of a pair's MESSAGES is PREFIX, a text of LENGTH characters, SUFFIX. The text is
 * "0 NUMBER NANOSECONDS " and the beginning of WORDS. What comes is a message if MESSAGE stands in
 * its line; the text begins behind the first TEXT after that. Two clients in a row are a pair.
 *
 * Standard output gets doubles, in seconds: the time that it took, the processor time that this
 * process used, and how long each message was on its way. Ends with 1, and the reason, when one is
 * lost, doubled or out of order, or nothing has come for a minute.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 1 << 14, EVENTS = 256, SILENCE_MS = 60 * 1000, ARGUMENTS = 7 };

struct client {
    int fd;
    const char *prefix;
    long last;      /* the newest message of the pair that this one has seen or sent */
    size_t held;    /* bytes of a line whose end has not come */
    char input[LINE];
};

static long messages;
static int length;
static const char *words, *message_mark, *text_mark, *suffix;
static double *times;
static long heard, most; /* messages of all pairs */

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
    va_list values;

    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
    exit(1);
}

static long long nanoseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static double cpu_seconds(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec)
        + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void say(struct client *client, long number)
{
    char text[LINE], line[LINE];
    int size;

    snprintf(text, sizeof text, "0 %ld %lld %s", number, nanoseconds(), words);
    size = snprintf(line, sizeof line, "%s%.*s%s", client->prefix, length, text, suffix);
    if (size >= LINE)
        fail("a request is too long");
    client->last = number;
    /* One message of a pair is on its way at a time: there is always room for it. */
    if (send(client->fd, line, (size_t)size, MSG_NOSIGNAL) != size)
        fail("a request was not taken: %s", strerror(errno));
}

static void take_line(struct client *client, const char *line, long long now)
{
    const char *text = strstr(line, message_mark);
    long number;
    long long sent;

    if (text == NULL)
        return;
    text = strstr(text + strlen(message_mark), text_mark);
    if (text == NULL || sscanf(text + strlen(text_mark), "0 %ld %lld ", &number, &sent) != 2)
        fail("not a message: %.200s", line);
    if (number != client->last + 1 || number > messages || heard == most)
        fail("a message was lost, doubled or out of order");
    client->last = number;
    times[heard++] = (double)(now - sent) / 1e9;
    if (number < messages)
        say(client, number + 1);
}

static void receive(struct client *client)
{
    char *line = client->input, *end;
    ssize_t got = recv(client->fd, line + client->held, LINE - 1 - client->held, 0);
    long long now = nanoseconds();

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0)
        fail("a client was cut off");
    client->held += (size_t)got;
    while ((end = memchr(line, '\n', client->held)) != NULL) {
        *end = '\0';
        take_line(client, line, now);
        client->held -= (size_t)(end + 1 - line);
        line = end + 1;
    }
    if (client->held >= LINE - 1)
        fail("a line is too long");
    memmove(client->input, line, client->held);
}

static void exchange(struct client *clients, int count)
{
    struct epoll_event events[EVENTS];
    int poll = epoll_create1(EPOLL_CLOEXEC);

    for (int i = 0; i < count; i++) {
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = &clients[i] };
        if (epoll_ctl(poll, EPOLL_CTL_ADD, clients[i].fd, &event) < 0)
            fail("file %d: %s", clients[i].fd, strerror(errno));
    }
    for (int i = 0; i < count; i += 2)
        say(&clients[i], 1);
    while (heard < most) {
        int ready = epoll_wait(poll, events, EVENTS, SILENCE_MS);
        if (ready == 0)
            fail("a message was lost: nothing comes any more");
        for (int i = 0; i < ready; i++)
            receive(events[i].data.ptr);
    }
    close(poll);
}

int main(int argc, char **argv)
{
    int count = (argc - ARGUMENTS) / 2;
    struct client *clients;
    double usage[2];
    long long started;

    if (count < 2 || count % 2 || argc != ARGUMENTS + 2 * count)
        fail("see the head of exchange.c for the arguments");
    messages = atol(argv[1]);
    length = atoi(argv[2]);
    words = argv[3];
    message_mark = argv[4];
    text_mark = argv[5];
    suffix = argv[6];
    most = count / 2 * messages;
    clients = calloc((size_t)count, sizeof *clients);
    times = calloc((size_t)most, sizeof *times);
    if (clients == NULL || times == NULL || most < 1)
        fail("no memory for that many");
    for (int i = 0; i < count; i++) {
        clients[i].fd = atoi(argv[ARGUMENTS + 2 * i]);
        clients[i].prefix = argv[ARGUMENTS + 2 * i + 1];
    }
    started = nanoseconds();
    usage[1] = cpu_seconds();
    exchange(clients, count);
    usage[1] = cpu_seconds() - usage[1];
    usage[0] = (double)(nanoseconds() - started) / 1e9;
    fwrite(usage, sizeof *usage, 2, stdout);
    fwrite(times, sizeof *times, (size_t)heard, stdout);
    return fflush(stdout) == 0 ? 0 : 1;
}
