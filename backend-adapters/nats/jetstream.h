#ifndef LEADERD_BACKEND_NATS_H
#define LEADERD_BACKEND_NATS_H

/*
 * The NATS JetStream backend: one stream per log.
 *
 *   adapter.c    the program, its operations
 *   place.c      the URL: servers, names of the log there, files with secrets
 *   connect.c    opening and closing, the connection
 *   stream.c     the stream, found or made, and message 1
 *   message.c    events as messages; it specifies the stream
 *   server.c     requests within a time; JetStream's codes as ours
 *   log.c        the head, and where a point stands
 *   reader.c     messages in a row
 *   push.c       a batch
 *   pull.c       a page
 *   live.c       hints
 *
 * libnats has threads of its own. They share nothing with the rest but the
 * signal of live.c.
 *
 * (This header is not called nats.h: it would stand in front of the library's.)
 */

#include <nats/nats.h>

#include "runtime/adapter.h"

/* What a call may take, each below the next. */
#define NATS_CONNECT_MS 2000               /* to one server */
#define NATS_REQUEST_MS 5000               /* a request without events in it */
#define NATS_TRY_MS 2000                   /* one that is tried again: in a cluster without a leader nobody answers */
#define NATS_TRANSFER_MS 10000             /* one with events */
#define NATS_CALL_MS (ADAPTER_CALL_MS - 3000u) /* one operation */
#define NATS_FORGET_MS 500                 /* the server drops a consumer that is no longer needed */
#define NATS_CLOSE_MS 2000                 /* until the library's threads have ended */

#define NATS_SERVERS_MAX 5u                /* in a URL: each may take NATS_CONNECT_MS */
#define NATS_REPLICAS_MAX 5
#define NATS_LOG_NAME_BYTES_MAX STORE_NAME_BYTES_MAX /* three characters of a stream's name each, at worst */
#define NATS_HEADERS_BYTES 4096u           /* kept free in a message for its headers */
#define NATS_EVENT_PREFIX_BYTES 4u         /* in front of each packed event */
#define NATS_BATCH_BYTES_MIN 16384u        /* a server that takes less is of no use */
#define NATS_FETCH_MESSAGES 256            /* read ahead: so many messages */
#define NATS_FETCH_BYTES (2 * 1024 * 1024) /* of so many bytes, which any batch is below */
#define NATS_DUPLICATES_NS 10000000000     /* how long the server knows a message's id: a retry's time */

struct nats_place {
	char *servers[NATS_SERVERS_MAX];       /* nats://host:port */
	size_t n_servers;
	char *stream, *subject, *live_subject; /* the log's names there */
	char *creds, *passfile, *ca, *cert, *key; /* files; NULL: none */
	bool tls;
	int replicas;
};

/* An event that is known to stand in the log; sequence 1, global 0: the log's beginning. */
struct nats_spot {
	uint64_t sequence;      /* of its message; 0: no spot */
	uint64_t global;
	uint64_t message_last;  /* the message's last event */
	struct hash chain_hash;
};

/* What a message of events says of itself. */
struct nats_batch {
	uint64_t first, last;
	struct hash chain_hash, parent; /* of the last event; of the one before the first */
	const uint8_t *data;            /* borrowed from the message */
	size_t n;
};

/* Written by the library's threads; live.c. */
struct nats_signal;

struct nats_reader {
	natsMsg *message;          /* the newest that was asked for */
	uint64_t sequence;
	natsSubscription *consumer;
	uint64_t next;             /* of the consumer, what has been fetched included */
	natsMsgList fetched;
	int n_taken;
	int64_t without_until_us;  /* no new consumer before */
};

struct nats_backend {
	struct nats_place place;
	natsConnection *connection;
	jsCtx *js;
	natsSubscription *hints;   /* NULL: none */
	struct nats_signal *signal;
	int64_t deadline_us;       /* CLOCK_MONOTONIC: the end of the operation under way */
	int64_t created;           /* the stream's time of creation: another one is another stream */
	bool replicated, republished; /* as the stream is configured */
	bool unanswered;           /* no JetStream took the newest request */
	struct nats_spot head;     /* as of the newest look */
	struct nats_spot read;     /* the end of the newest page or accepted push */
	uint64_t own;              /* sequence of our newest accepted push */
	struct nats_reader reader;
};

/* connect.c */
int nats_open(void **ret_backend, const struct adapter_open *open, struct adapter_opened *ret, struct error *error);
void nats_close(void *backend);
int nats_push(void *backend, const struct adapter_push *push, struct adapter_push_answer *ret, struct error *error);
int nats_pull(void *backend, const struct adapter_pull *pull, struct adapter_page *ret, struct error *error);
int nats_live_fd(void *backend);
int nats_live_take(void *backend, struct error *error);

/* place.c: texts repeat nothing of a URL that could hold a secret. */
int place_parse(struct nats_place *ret, const struct adapter_open *open, struct error *error);
void place_finish(struct nats_place *place);
/* The log's name as one token of a subject, and of a stream's name; the caller frees it. NULL: no memory. */
char *place_token(const char *log_name);
/* User and password, or a token, of the passfile; `ret_password` is NULL for a token. The caller frees both. */
int place_read_passfile(const struct nats_place *place, char **ret_user, char **ret_password, struct error *error);
/* ERROR_PERMISSION: others may read it. */
int place_check_secret(const char *path, struct error *error);

/* stream.c: the stream and its first message are there, and are a log's. */
int stream_open(struct nats_backend *backend, const struct adapter_open *open, struct adapter_opened *ret,
                struct error *error);

/* message.c */
int message_make_header(natsMsg **ret, const struct nats_place *place, const struct adapter_open *open,
                        struct error *error);
int message_read_header(natsMsg *message, const struct nats_place *place, struct adapter_opened *ret,
                        struct error *error);
int message_make_batch(natsMsg **ret, const struct nats_place *place, const struct adapter_push *push,
                       struct error *error);
/* ERROR_CORRUPT: `sequence` holds no batch, or a damaged one. */
int message_read_batch(natsMsg *message, uint64_t sequence, struct nats_batch *ret, struct error *error);
/* The event at `*offset`, which moves behind it. The batch has one more: `*offset` < batch->n. */
int message_read_event(const struct nats_batch *batch, size_t *offset, struct event **ret, struct error *error);
int message_failed(natsStatus status, struct error *error); /* of libnats' own functions on messages */

/* server.c */
struct server_state {
	uint64_t first, last;    /* sequences; 0, 0: empty */
	int64_t created;
};
int64_t server_now_us(void);                                 /* CLOCK_MONOTONIC */
void server_begin(struct nats_backend *backend);             /* an operation: sets the deadline */
int64_t server_left_ms(const struct nats_backend *backend, int64_t most_ms); /* 0: the time is over */
int server_failed(struct nats_backend *backend, const char *what, natsStatus status, jsErrCode code,
                  struct error *error);
void server_last_text(char *ret, size_t n); /* what the library said of its last failure */
int server_options(const struct nats_backend *backend, int64_t most_ms, jsOptions *ret, struct error *error);
int server_look(struct nats_backend *backend, struct server_state *ret, struct error *error);
/* The caller destroys the message. ERROR_CORRUPT: it is not there. */
int server_get(struct nats_backend *backend, uint64_t sequence, natsMsg **ret, struct error *error);
/* As the message behind `expected`. */
enum { SERVER_STORED = 0, SERVER_OVERTAKEN = 1, SERVER_LATER = 2 };
int server_publish(struct nats_backend *backend, natsMsg *message, uint64_t expected, struct error *error);
/* When it returns 0, what answers knows everything that was ever acknowledged. */
int server_settle(struct nats_backend *backend, struct error *error);

/* log.c */
int log_refresh(struct nats_backend *backend, struct error *error); /* the head as it is now */
/* 1: `point` stands in the log; 0: not, and `reason` says what differs. The head is refreshed before. */
int log_find(struct nats_backend *backend, const struct backend_point *point, struct nats_spot *ret, char *reason,
             size_t reason_bytes, struct error *error);
void log_point(struct backend_point *ret, const struct nats_spot *spot);

/* reader.c: the message stays the reader's until the next is asked for; `until` is the last that may be. */
int reader_get(struct nats_backend *backend, uint64_t sequence, uint64_t until, natsMsg **ret, struct error *error);
void reader_rest(struct nats_reader *reader);  /* nothing is asked for soon */
void reader_finish(struct nats_reader *reader);

/* live.c */
int signal_create(struct nats_signal **ret, const char *live_subject, struct error *error);
struct nats_signal *signal_destroy(struct nats_signal *signal);
bool signal_is_closed(const struct nats_signal *signal);
bool signal_is_denied(const struct nats_signal *signal); /* the server forbade a subject that we need */
int signal_connect(struct nats_signal *signal, natsOptions *options, struct error *error);
bool live_subscribe(struct nats_backend *backend); /* without hints there is the safety poll */
void live_end(struct nats_backend *backend);

#endif
