#ifndef LEADERD_SCENARIO_H
#define LEADERD_SCENARIO_H

/*
 * leader-scenario: a story, told to real processes. Devices are leaderd
 * processes with a data directory each, sessions are processes of this program,
 * and the backend is a real one; everything ends with the scenario.
 *
 *   main.c      options                     session_process.c  what a session process runs
 *   scenario.c  one file, line by line      control.c          the parent's end of it
 *   steps.c     what a line does            device.c           a leaderd, and what it says
 *   settle.c    waiting for calm            backend.c          the backend: kinds, out of reach and back
 *   expect.c    what a line expects         server.c           a server for it, by its script
 *   same.c      all nodes compared          adapter.c          what stands in its log
 *                                           chain.c            chains: made, compared, shown
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/error.h"
#include "model/notation.h"
#include "proto/backend_wire.h"

#define DEVICES_MAX 8u
#define SESSIONS_MAX 32u
#define CHAIN_TOKENS_MAX 256u
#define NAME_BYTES 24u
#define LINE_BYTES_MAX (1024u * 1024u) /* a line of a scenario: a unit and its overhead */
#define STORE "scenario"
#define EXPECT_MS 5000 /* how long an expectation may take to come true, unless --wait says otherwise */
#define SETTLE_MS 10000
#define REPLY_MS 15000 /* a session process, or an adapter, that does not answer is broken */
#define BACKEND_PATH_BYTES 256u
#define SERVER_FOLDER_BYTES 256u
#define ADAPTER_PATH_BYTES 4096u
#define ERROR_SKIP (ERROR_LAST - 1) /* a program that the story needs is not installed */

struct device {
	char name[NAME_BYTES];
	char folder[240]; /* the data directory, its log and the socket's folder are in it */
	char socket[256];
	char client_id[CLIENT_ID_BYTES + 1];
	pid_t process; /* 0: not running */
};

struct control {
	char name[NAME_BYTES]; /* A.1 */
	unsigned device;
	pid_t process; /* 0: not running */
	int fd;
	bool paused;
};

/* A server that the stories of one run share. Zeroed is none. */
struct server {
	char kind[16];
	char script[1024];
	char folder[SERVER_FOLDER_BYTES]; /* empty: none */
	pid_t keeper;                     /* removes the server when keeper_fd is closed */
	int keeper_fd;
	bool stopped;
	unsigned n_logs; /* made there so far */
};

/* A program that reads the backend's log for us. Zeroed is none. */
struct adapter {
	pid_t process; /* 0: not running */
	int fd;
	uint64_t number; /* of the newest request */
	struct wire_reader reader;
	struct wire_arena arena;
};

enum backend_kind { BACKEND_NONE, BACKEND_FILE, BACKEND_POSTGRES, BACKEND_NATS };

struct backend {
	enum backend_kind kind;
	char url[1024];
	bool runs; /* it can be reached */
	struct adapter adapter;
};

struct scenario {
	const char *leaderd; /* the program */
	const char *scripts; /* folder of those that make servers; NULL: not given */
	const char *kind;    /* of backend, instead of what the file says; NULL: as it says */
	struct server *server;
	const char *own; /* this program */
	const char *file;
	unsigned line;
	bool verbose;
	int expect_ms;
	char folder[200]; /* temporary */
	char *schema;     /* owned; the text */
	char schema_path[512];
	struct device devices[DEVICES_MAX];
	unsigned n_devices;
	struct backend backend;
	struct control sessions[SESSIONS_MAX];
	unsigned n_sessions;
	unsigned n_expectations;
};

struct chain {
	struct notation tokens[CHAIN_TOKENS_MAX];
	size_t n;
};

/* scenario.c */
int scenario_run(struct scenario *scenario, const char *file, struct error *error);

/* steps.c: one line of a scenario file; and what the verbs of expect.c share with it. */
int step_perform(struct scenario *scenario, char *line, struct error *error);
char *step_word(char **rest); /* the next word, cut off; empty at the end */
int step_unknown(const char *name, struct error *error);
struct control *step_session_of(struct scenario *scenario, char **rest, struct error *error); /* or NULL */
/* Asks `holds` until it answers 1 or time is up (ERROR_TIMEOUT). A failure may
 * pass too, but not ERROR_INVALID: what is malformed stays so. */
int step_wait_for(int (*holds)(void *data, struct error *error), void *data, int timeout_ms, struct error *error);

/* settle.c, expect.c, same.c: the verbs that look and change nothing. */
int step_settle(struct scenario *scenario, char *rest, struct error *error);
int step_expect(struct scenario *scenario, char *rest, struct error *error);
int step_expect_query(struct scenario *scenario, char *rest, struct error *error);
int step_expect_refused(struct scenario *scenario, char *rest, struct error *error);
int step_expect_same(struct scenario *scenario, char *rest, struct error *error);

/* device.c */
int device_add(struct scenario *scenario, const char *name, struct error *error);
int device_start(struct scenario *scenario, struct device *device, struct error *error);
int device_end(struct device *device, int signal, struct error *error);
struct device *device_find(struct scenario *scenario, const char *name);
int device_chain(struct scenario *scenario, struct device *device, struct chain *ret, struct error *error);
struct device_standing {
	struct position head, confirmed;
	uint64_t generation, pending;
	bool pulls, pushes; /* as its user wants it */
	char backend_error[256];
};
int device_standing(struct device *device, struct device_standing *ret, struct error *error);
enum device_link { LINK_ONLINE, LINK_PULLS_ONLY, LINK_OFFLINE };
int device_set_offline(struct device *device, enum device_link link, struct error *error);
struct refused_counts {
	size_t all, for_the_reason; /* those whose reason contains what was asked for */
	char newest_reason[256];
};
int device_refused(struct device *device, struct refused_counts *ret, const char *reason, struct error *error);
int device_dump(struct device *device, struct bytes *ret, struct error *error);
int device_verify(struct device *device, struct error *error);
/* What it knows to be confirmed, and the chain hash there. */
int device_confirmed(struct device *device, struct position *ret_head, struct hash *ret_hash, struct error *error);
/* Writes to its log, seen the moment they happen; the caller closes *ret_fd. */
int device_watch_log(const struct device *device, int *ret_fd, struct error *error);
int device_wait_for_write(struct device *device, int fd, int timeout_ms, struct error *error);
void device_print_log(const struct device *device); /* its last lines, to stderr */
/* The name of the device with this client id, or NULL. */
const char *device_name_of(const struct scenario *scenario, const char *client_id);

/* control.c: the parent's end of a session process. */
struct session_standing {
	bool connected;
	unsigned long long pending, queued_bytes;
	struct position leader_head, confirmed; /* as far as it has taken its leader's log in */
	unsigned long long generation;
};
int control_add(struct scenario *scenario, const char *name, struct error *error);
int control_start(struct scenario *scenario, struct control *control, struct error *error);
/* SIGKILL, or SIGTERM: it closes its session and ends. */
int control_end(struct control *control, int signal, struct error *error);
struct control *control_find(struct scenario *scenario, const char *name);
/* One request, one reply: 0 or more with the reply's text (NUL-terminated behind
 * its n bytes), or a negative code with it as the error. ret_reply may be NULL. */
int control_ask(struct control *control, struct bytes *ret_reply, struct error *error, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
int control_chain(struct scenario *scenario, struct control *control, struct chain *ret, struct error *error);
int control_standing(struct control *control, struct session_standing *ret, struct error *error);

/* session_process.c: what a session process runs; never returns. */
struct session_process_options {
	const char *socket, *schema_path, *session_id;
	int fd;
};
_Noreturn void session_process(const struct session_process_options *options);

/* backend.c */
/* ERROR_SKIP: its server is not installed. */
int backend_choose(struct scenario *scenario, const char *kind, struct error *error);
const char *backend_url(const struct scenario *scenario); /* NULL: none */
int backend_stop(struct scenario *scenario, struct error *error);
int backend_start(struct scenario *scenario, struct error *error);
int backend_chain(struct scenario *scenario, struct chain *ret, struct hash *ret_hash, struct error *error);

/* server.c */
/* One of this kind that runs: the present one, or a new one. ERROR_SKIP. */
int server_need(struct server *server, const char *scripts, const char *kind, struct error *error);
int server_stop(struct server *server, struct error *error);
int server_start(struct server *server, struct error *error); /* 0 as well if it runs */
/* The line that its script answers to the verb. */
int server_ask(const struct server *server, const char *verb, char *ret, size_t bytes, struct error *error);
void server_end(struct server *server); /* accepts none */

/* adapter.c */
int adapter_need(struct adapter *adapter, const char *kind, const char *url, struct error *error);
/* The whole log, and the chain hash of its newest event; after a failure the adapter is to be ended. */
int adapter_chain(struct adapter *adapter, struct chain *ret, struct hash *ret_hash, struct error *error);
void adapter_end(struct adapter *adapter); /* accepts none */

/* chain.c */
struct lds_event;
/* `node` is shown while the event is unconfirmed; NULL: none. */
int chain_add(struct chain *chain, const struct lds_event *event, const char *node, struct error *error);
bool chain_matches(const struct chain *expected, const struct chain *found, bool end_only);
/* Both chains side by side, to stderr, the first difference marked. */
void chain_print_difference(const struct chain *expected, const struct chain *found, bool end_only);

#endif
