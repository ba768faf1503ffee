#ifndef LEADERD_TESTS_UPSTREAM_WORLD_H
#define LEADERD_TESTS_UPSTREAM_WORLD_H

/*
 * Devices and a backend between them, in temporary folders: real daemons (the
 * core's library, each in a process of its own), real adapters, and a session of
 * the library on each device. Waiting is bounded and a failure of the test.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "leaderd/admin.h"
#include "leaderd/session.h"
#include "tests/socket/raw_daemon.h"

#define WAIT_MS 60000
#define STORE "notes"

struct device {
	struct raw_daemon daemon;
	struct lda_connection *admin;
	struct lds_session *session;
	unsigned n_refused;       /* told to the session */
	char last_reason[512];
};

struct world {
	char folder[64];          /* of the backend */
	char url[512];
	struct device a, b, c;
};

/* For cmocka: *state is the world, without a device running. */
int world_create(void **state);
int world_remove(void **state); /* stops what runs; every store that is left must verify */

/* The backend is a file, or follows a story: the lines of backend-adapters/script. */
void world_use_file(struct world *world);
void world_use_story(struct world *world, const char *story);
/* The file as it is now, under a name; and the file as it was then, or gone (NULL).
 * Nobody may have it open. */
void world_back_up(struct world *world, const char *name);
void world_restore(struct world *world, const char *name);

/* A daemon with the store, without a backend yet. */
void device_start(struct device *device);
void device_attach(struct world *world, struct device *device);
/* Both. */
void device_join(struct world *world, struct device *device);
void device_stop(struct device *device);
void device_kill(struct device *device);
void device_restart(struct device *device); /* after either */

/* Each adds one note, and waits until it is durable. */
void device_note(struct device *device, const char *id);
void device_long_note(struct device *device, const char *id, unsigned n_bytes);
void device_notes(struct device *device, const char *prefix, unsigned n);
void device_mark(struct device *device, const char *id);      /* client-only */
void device_unit(struct device *device, const char *prefix, unsigned n); /* n notes in one unit */

void device_offline(struct device *device, bool push_only);
void device_online(struct device *device);
void device_sync(struct device *device);
/* Tries to; the code, with its text in lda_last_error. */
int device_try_sync(struct device *device);

/* The status, freed with lda_stores_free. */
struct lda_stores *device_status(struct device *device);
/* Waits until the status has this. */
void expect_state(struct device *device, const char *state);
void expect_error_text(struct device *device, const char *part);
void expect_no_error(struct device *device);
void expect_confirmed(struct device *device, uint64_t global);
/* The same of its log's file, without anyone connecting. */
void expect_log_confirmed(struct device *device, uint64_t global);
void expect_pending(struct device *device, uint64_t n);
void expect_refused(struct device *device, uint64_t n);

/* How many rows the session's query counts, as soon as it does. */
void expect_count(struct device *device, const char *sql, int64_t n);

/* Equal confirmed chains, equal synced states, each the replay of its log. */
void expect_same(struct device *a, struct device *b);
void expect_verifies(struct device *device);

/* The folder of a device's store, the file of the backend. */
void device_folder(char ret[256], const struct device *device);
/* The newest file of the store's folder that begins so; fails if there is none. */
void device_find_file(char ret[512], const struct device *device, const char *prefix);
/* Peak memory of its daemon in KiB. */
uint64_t device_peak_kib(const struct device *device);

#endif
