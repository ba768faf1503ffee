#ifndef LEADERD_TESTS_CONFORMANCE_H
#define LEADERD_TESTS_CONFORMANCE_H

/*
 * The conformance suite: what any adapter program must do, asked from outside,
 * over the socket that a leader would use. `conformance --help` tells how to
 * run it, docs/adapters.md what it expects and why.
 *
 *   conformance.c   the program: options, the list of stories, the summary
 *   trial.c         one story under way: its processes, and how it fails
 *   client.c        one adapter process and the messages to and from it
 *   leader.c        whole pushes and whole logs, as a leader makes them
 *   history.c       events that chain, as a leader would make them
 *   story_*.c       the stories
 *
 * A story that finds something wrong says so through expect() and does not go on
 * behind it; its processes are killed by the trial.
 */

#include <setjmp.h>
#include <stdio.h>
#include <sys/types.h>

#include "runtime/runtime.h"

struct options {
	const char *program, *url;
	const char *stop, *start, *reset, *bad_url; /* NULL: not given */
	const char *only;
	uint64_t seed;
	size_t large_events;      /* of the large store */
	unsigned large_seconds;   /* that it may take, to fill and to read */
	size_t race_rounds;
};

#define CLIENTS_MAX 16u
#define ANSWER_MS (2 * ADAPTER_CALL_MS + 2000) /* when a leader would have given up */

struct trial {
	const struct options *options;
	char store[STORE_NAME_BYTES_MAX + 1]; /* a log of the story's own */
	uint64_t chance;                      /* state of the random numbers */
	struct client *clients[CLIENTS_MAX];  /* started by the story */
	size_t n_clients;
	jmp_buf *end;
	char failure[1024];
};

struct story {
	const char *name;
	void (*run)(struct trial *trial);
	bool needs_reset, needs_outage, needs_bad_url;
};
extern const struct story stories_of_the_log[], stories_of_limits[], stories_of_writers[], stories_of_losses[],
	stories_of_live[], stories_of_lineage[], stories_of_trouble[], stories_of_size[];

_Noreturn void trial_fail(struct trial *trial, const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
#define fail_story(trial, ...) trial_fail(trial, __FILE__, __LINE__, __VA_ARGS__)
#define expect(trial, condition, ...) ((condition) ? (void)0 : fail_story(trial, __VA_ARGS__))
void trial_new_store(struct trial *trial);
void trial_command(struct trial *trial, const char *command, const char *what); /* a hook: it must succeed */
uint64_t trial_random(struct trial *trial);
size_t trial_between(struct trial *trial, size_t low, size_t high); /* both included */
int64_t now_ms(void);

/* Events that chain, owned by the history. Zeroed is empty. */
struct history {
	struct event **events;
	size_t n, allocated;
};
void history_add_unit(struct trial *trial, struct history *history, size_t n_events, size_t args_bytes);
void history_cut(struct history *history, size_t n); /* keeps the first n */
void history_finish(struct history *history);
struct history history_copy(struct trial *trial, const struct history *history, size_t n);
struct backend_point history_point(const struct history *history, size_t global); /* without a cursor */
bool events_equal(const struct event *a, const struct event *b);

/* An adapter process. */
struct client {
	struct trial *trial;
	pid_t pid;
	int pid_fd, fd;
	uint64_t number;                  /* of the newest request */
	struct wire_reader reader;
	struct wire_arena arena;          /* of the newest message */
	char client_id[CLIENT_ID_BYTES + 1];
	uint8_t new_lineage[16];          /* what it offers when it opens */
	struct adapter_opened opened;
};
/* poll_ms 0: so seldom that only hints can bring news in a story's time */
struct client *client_start(struct trial *trial, unsigned poll_ms);
void client_kill(struct client *client);          /* SIGKILL; the client is gone */
int client_hang_up(struct client *client);        /* closes the socket; the exit status, -1 if a signal ended it */
void client_destroy(struct client *client);
bool client_is_alive(struct client *client);

/* What a leader knows when it opens. */
struct knowledge {
	const uint8_t *lineage; /* NULL: none */
	uint64_t epoch;
	struct backend_point confirmed;
	const char *url;        /* NULL: the suite's */
};
void client_send_open(struct client *client, const struct knowledge *knowledge);
void client_take_opened(struct client *client);   /* fails on a problem */
void client_open(struct client *client);          /* knowing nothing */
void client_open_knowing(struct client *client, const struct knowledge *knowledge);
/* What came instead of what was asked for. */
struct problem {
	int code;
	bool permanent, has_lineage;
	uint8_t lineage[16];
	char text[sizeof(((struct error *)NULL)->text)];
};
bool client_try_open(struct client *client, const struct knowledge *knowledge, struct problem *ret);

struct answer {
	enum push_result result;  /* 0: a problem came */
	struct backend_point head;
	struct event_id refused;  /* the first */
	size_t n_refused;
	bool permanent;
	char reason[256];
	struct problem problem;
};
/* events from .. from + n - 1, counted from 0, that follow `parent`. */
struct batch {
	const struct backend_point *parent;
	struct event *const *events;
	size_t n;
};
void client_send_push(struct client *client, const struct batch *batch);
struct answer client_take_answer(struct client *client);
struct answer client_push(struct client *client, const struct batch *batch);        /* again while it says "later" */
struct backend_point client_push_all(struct client *client, const struct history *history, size_t from,
                                     const struct backend_point *parent);           /* in batches; all accepted */

struct page {
	struct event **events; /* owned; freed with page_finish */
	size_t n;
	struct backend_point end, head;
	bool more, diverged, problem;
	struct problem what;
};
struct ask {
	const struct backend_point *after; /* NULL: from the beginning */
	size_t events_max, bytes_max;      /* 0: as a leader asks */
	bool live;
};
void client_send_pull(struct client *client, const struct ask *ask);
struct page client_take_page(struct client *client, int timeout_ms); /* fails when nothing comes */
bool client_has_news(struct client *client, int timeout_ms);         /* something came */
struct page client_pull(struct client *client, const struct ask *ask);
void page_finish(struct page *page);
/* All pages after `after`: must be history's events behind it, and no others. Returns the last page's end. */
struct backend_point client_expect_log(struct client *client, const struct history *history,
                                       const struct backend_point *after);
void page_expect(struct trial *trial, const struct page *page, const struct history *history, size_t from);
uint64_t client_ping(struct client *client);
void client_send_bytes(struct client *client, const void *data, size_t n);
bool points_equal(const struct backend_point *a, const struct backend_point *b); /* position and hash */

#endif
