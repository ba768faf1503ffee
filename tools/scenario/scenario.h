#ifndef LEADERD_SCENARIO_H
#define LEADERD_SCENARIO_H

/*
 * leader-scenario: a story, told to real processes. Devices are leaderd
 * processes with a data directory each, sessions are processes of this program;
 * everything lives in one temporary folder and ends with the scenario.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/error.h"
#include "model/notation.h"

#define DEVICES_MAX 8u
#define SESSIONS_MAX 32u
#define CHAIN_TOKENS_MAX 256u
#define NAME_BYTES 24u
#define STORE "scenario"
#define EXPECT_MS 5000 /* how long an expectation may take to come true */
#define SETTLE_MS 10000
#define REPLY_MS 15000 /* a session process that does not answer is broken */

struct device {
	char name[NAME_BYTES];
	char folder[256];
	char socket[300];
	char client_id[CLIENT_ID_BYTES + 1];
	pid_t process; /* 0: not running */
};

struct control {
	char name[NAME_BYTES]; /* A.1 */
	unsigned device;
	pid_t process;
	int fd;
	bool paused;
};

struct scenario {
	const char *leaderd;   /* the program */
	const char *own;       /* this program */
	const char *file;
	unsigned line;
	bool verbose;
	char folder[200];      /* temporary */
	char *schema;          /* owned; the text */
	char schema_path[512];
	bool backend_none;
	struct device devices[DEVICES_MAX];
	unsigned n_devices;
	struct control sessions[SESSIONS_MAX];
	unsigned n_sessions;
};

struct chain {
	struct notation tokens[CHAIN_TOKENS_MAX];
	size_t n;
};

/* scenario.c */
int scenario_run(struct scenario *scenario, const char *file, struct error *error);

/* steps.c: one line of a scenario file. */
int step_perform(struct scenario *scenario, char *line, struct error *error);

/* device.c */
int device_add(struct scenario *scenario, const char *name, struct error *error);
int device_start(struct scenario *scenario, struct device *device, struct error *error);
int device_end(struct device *device, int signal, struct error *error);
struct device *device_find(struct scenario *scenario, const char *name);
int device_chain(struct scenario *scenario, struct device *device, struct chain *ret, struct error *error);
int device_refused_count(struct device *device, size_t *ret, struct error *error);
int device_dump(struct device *device, struct bytes *ret, struct error *error);
int device_verify(struct device *device, struct error *error);
/* The name of the device with this client id, or NULL. */
const char *device_name_of(const struct scenario *scenario, const char *client_id);

/* control.c: the parent's end of a session process. */
int control_add(struct scenario *scenario, const char *name, struct error *error);
int control_start(struct scenario *scenario, struct control *control, struct error *error);
int control_end(struct control *control, int signal, struct error *error);
struct control *control_find(struct scenario *scenario, const char *name);
/* One request, one reply: 0 with the reply's text, or a negative code with it as the error. */
int control_ask(struct control *control, struct bytes *ret_reply, struct error *error, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

/* session_process.c: what a session process runs; never returns. */
struct session_process_options {
	const char *socket, *schema_path, *session_id;
	int fd;
};
_Noreturn void session_process(const struct session_process_options *options);

/* chain.c */
struct lds_event;
int chain_add(struct chain *chain, const struct lds_event *event, const char *node, struct error *error);
bool chain_matches(const struct chain *expected, const struct chain *found, bool end_only);
/* Both chains side by side, the first difference marked. */
void chain_compare(struct bytes *out, const struct chain *expected, const struct chain *found, bool end_only);

#endif
