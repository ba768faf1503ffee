#include "log_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/notation.h"
#include "store/hash.h"

/* -- Files -- */

void place_make(struct place *place) {
	strcpy(place->folder, P_tmpdir "/leaderd-log-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	snprintf(place->path, sizeof(place->path), "%s/eventlog.db", place->folder);
	snprintf(place->wal, sizeof(place->wal), "%s/eventlog.db-wal", place->folder);
}

void place_remove(struct place *place) {
	DIR *folder = opendir(place->folder);
	struct dirent *entry;

	assert_non_null(folder);
	while ((entry = readdir(folder)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(folder), entry->d_name, 0);
	closedir(folder);
	rmdir(place->folder);
}

uint8_t *read_file(const char *path, size_t *ret_n) {
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t *data;

	*ret_n = 0;
	if (fd < 0)
		return NULL;
	assert_int_equal(fstat(fd, &st), 0);
	data = malloc((size_t)st.st_size + 1);
	assert_non_null(data);
	assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
	close(fd);
	*ret_n = (size_t)st.st_size;
	return data;
}

void write_file(const char *path, const uint8_t *data, size_t n) {
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, n), (ssize_t)n);
	close(fd);
}

/* -- Stories -- */

struct place story_place;

int story_set_up(void **state) {
	place_make(&story_place);
	*state = open_log(&story_place);
	return 0;
}

int story_tear_down(void **state) {
	eventlog_close(*state);
	place_remove(&story_place);
	return 0;
}

struct eventlog *reopen(void **state) {
	eventlog_close(*state);
	return *state = open_log(&story_place);
}

void assert_at(struct position found, struct position expected) {
	if (!position_equal(found, expected))
		fail_msg("found %llu.%llu, expected %llu.%llu", (unsigned long long)found.global,
		         (unsigned long long)found.client, (unsigned long long)expected.global,
		         (unsigned long long)expected.client);
}

/* -- Events -- */

struct position synced(uint64_t global) {
	return (struct position){ global, 0 };
}

struct position client_only(uint64_t global, uint64_t client) {
	return (struct position){ global, client };
}

struct event_id id_of(unsigned number) {
	struct event_id id = { { 1, 0x8f, [6] = 0x70, [8] = 0x80 } };

	for (unsigned i = 0; i < 4; i++)
		id.bytes[15 - i] = (uint8_t)(number >> (8 * i));
	return id;
}

static char *make_args(const struct recipe *recipe, size_t *ret_n) {
	char *args = malloc(recipe->args_bytes + 64);
	int n;

	assert_non_null(args);
	n = sprintf(args, "{\"number\":%u,\"pad\":\"", recipe->number);
	while ((size_t)n + 2 < recipe->args_bytes) {
		args[n] = (char)('a' + (n + (int)recipe->number) % 26);
		n++;
	}
	*ret_n = (size_t)(n + sprintf(args + n, "\"}"));
	return args;
}

struct event *make(const struct recipe *recipe) {
	size_t n;
	char *args = make_args(recipe, &n);
	struct event *event = event_create(recipe->name ? recipe->name : "todoCreated", args, n);

	free(args);
	assert_non_null(event);
	event->entry.id = id_of(recipe->number);
	event->entry.unit = id_of(recipe->unit_first ? recipe->unit_first : recipe->number);
	event->entry.unit_index = recipe->unit_first ? recipe->number - recipe->unit_first : 0;
	event->entry.unit_count = recipe->unit_first ? recipe->unit_count : 1;
	event->entry.at = recipe->at;
	event->entry.client_only = recipe->at.client != 0;
	event->version = 1;
	event->hlc = (struct hlc){ 1700000000000 + recipe->number, recipe->number % 7 };
	event->digest = UINT64_C(0x9e3779b97f4a7c15) * recipe->number;
	strcpy(event->client_id, recipe->client_id ? recipe->client_id : "00000000000000000000000000000000");
	strcpy(event->session_id, recipe->session ? recipe->session : "app");
	hash_content(&event->entry.content, event);
	return event;
}

struct event *make_at(unsigned number, struct position at) {
	return make(&(struct recipe){ .number = number, .at = at });
}

void make_unit(struct event **ret, unsigned number, unsigned n, struct position at) {
	for (unsigned i = 0; i < n; i++) {
		ret[i] = make(&(struct recipe){ .number = number + i, .at = at, .unit_first = number, .unit_count = n });
		at.global++;
	}
}

/* -- Steps -- */

static void expect_success(int r, const struct error *error) {
	if (r < 0)
		fail_msg("%s: %s", error_name(r), error->text);
}

struct eventlog *open_log(const struct place *place) {
	struct eventlog_options options = { .path = place->path, .create = true };
	struct eventlog *log = NULL;
	struct error error = { 0 };

	expect_success(eventlog_open(&log, &options, &error), &error);
	return log;
}

struct eventlog_status status_of(struct eventlog *log) {
	struct eventlog_status status;

	eventlog_status(log, &status);
	return status;
}

void begin(struct eventlog *log) {
	struct error error = { 0 };

	expect_success(eventlog_begin(log, &error), &error);
}

void commit(struct eventlog *log) {
	struct error error = { 0 };

	expect_success(eventlog_commit(log, &error), &error);
}

void append(struct eventlog *log, struct event *event) {
	struct error error = { 0 };

	expect_success(eventlog_append(log, event, &error), &error);
	event_destroy(event);
}

void commit_numbers(struct eventlog *log, unsigned first, unsigned n) {
	begin(log);
	for (unsigned i = 0; i < n; i++)
		append(log, make_at(first + i, position_next(status_of(log).head, false)));
	commit(log);
}

void assert_verifies(struct eventlog *log) {
	struct error error = { 0 };

	expect_success(eventlog_verify(log, NULL, NULL, &error), &error);
}

/* -- Everything that a log says -- */

static void put_hash(FILE *out, const char *name, const struct hash *hash) {
	char text[65];

	hex_print(text, hash->bytes, sizeof(hash->bytes));
	fprintf(out, " %s=%s", name, text);
}

static void put_event(FILE *out, const struct event *event) {
	char at[POSITION_TEXT_BYTES], id[EVENT_ID_TEXT_BYTES], unit[EVENT_ID_TEXT_BYTES];

	position_print(at, event->entry.at);
	event_id_print(id, &event->entry.id);
	event_id_print(unit, &event->entry.unit);
	fprintf(out, "%s r%llu id=%s unit=%s %u/%u %s@%u args=%.*s client=%s session=%s hlc=%llu.%u digest=%llx", at,
	        (unsigned long long)event->generation, id, unit, event->entry.unit_index, event->entry.unit_count,
	        event->name, event->version, (int)event->args_bytes, event->args, event->client_id, event->session_id,
	        (unsigned long long)event->hlc.time_ms, event->hlc.counter, (unsigned long long)event->digest);
	put_hash(out, "content", &event->entry.content);
	put_hash(out, "chain", &event->chain_hash);
	put_hash(out, "local", &event->local_hash);
	for (uint32_t i = 0; i < event->n_origins; i++) {
		position_print(at, event->origins[i]);
		fprintf(out, " /%s", at);
	}
	fprintf(out, " meta=%.*s\n", (int)event->sync_metadata_bytes,
	        event->sync_metadata ? (const char *)event->sync_metadata : "");
}

static int put_events(FILE *out, struct eventlog *log, struct error *error) {
	struct event *events[PAGE_EVENTS_MAX];
	struct eventlog_query query = { .include_client_only = true, .n_max = PAGE_EVENTS_MAX,
		                        .bytes_max = PAGE_BYTES_MAX };
	size_t n;
	int r;

	while ((r = eventlog_read(log, &query, events, &n, &query.after, error)) == 0 && n > 0)
		for (size_t i = 0; i < n; i++) {
			put_event(out, events[i]);
			event_destroy(events[i]);
		}
	return r;
}

static int put_refused(FILE *out, struct eventlog *log, struct error *error) {
	struct refused_event refused[64];
	size_t n;
	uint64_t count;
	int r = eventlog_refused(log, 0, NULL, false, refused, 64, &n, error);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		fprintf(out, "refused %llu %s %d ", (unsigned long long)refused[i].ordinal, refused[i].reason,
		        refused[i].reported);
		put_event(out, refused[i].event);
		refused_event_finish(&refused[i]);
	}
	r = eventlog_refused_count(log, &count, error);
	fprintf(out, "refused count %llu\n", (unsigned long long)count);
	return r;
}

static int put_texts(FILE *out, struct eventlog *log, struct error *error) {
	struct bytes text = { 0 }, cursor = { 0 }, staged = { 0 };
	uint32_t version = 0;
	int r = eventlog_schema(log, &text, &version, error);

	if (r == 0 || r == ERROR_NOT_FOUND)
		r = eventlog_cursor(log, &cursor, error);
	if (r == 0)
		r = eventlog_staged_cursor(log, &staged, error);
	fprintf(out, "schema %u %.*s\ncursor %.*s\nstaged cursor %.*s\n", version, (int)text.n, (char *)text.data,
	        (int)cursor.n, (char *)cursor.data, (int)staged.n, (char *)staged.data);
	bytes_finish(&text);
	bytes_finish(&cursor);
	bytes_finish(&staged);
	return r;
}

/* Staged events can only be taken: that is rolled back. */
static int put_staged(FILE *out, struct eventlog *log, struct error *error) {
	struct event *events[64];
	size_t n = 0;
	int r = eventlog_begin(log, error);

	if (r < 0)
		return r;
	r = eventlog_take_staged(log, events, 64, &n, error);
	for (size_t i = 0; r == 0 && i < n; i++) {
		fputs("staged ", out);
		put_event(out, events[i]);
		event_destroy(events[i]);
	}
	eventlog_rollback(log);
	return r;
}

/* The first hundred ids, as the index finds them. */
static int put_known(FILE *out, struct eventlog *log, struct error *error) {
	int r = 0;

	for (unsigned number = 1; r == 0 && number < 100; number++) {
		struct event_id id = id_of(number);
		struct hash content = { { 0 } };
		enum eventlog_known known = KNOWN_NOT;
		struct position at = POSITION_ROOT;
		struct event *event = NULL;

		r = eventlog_find(log, &id, &event, error);
		if (r == 0)
			content = event->entry.content;
		if (r == ERROR_NOT_FOUND)
			r = 0;
		event_destroy(event);
		if (r == 0)
			r = eventlog_known(log, &id, &content, &known, &at, error);
		fprintf(out, "%u:%d:%llu.%llu ", number, (int)known, (unsigned long long)at.global,
		        (unsigned long long)at.client);
	}
	fputc('\n', out);
	return r;
}

static void put_status(FILE *out, struct eventlog *log) {
	struct eventlog_status status = status_of(log);
	char head[POSITION_TEXT_BYTES], upstream[POSITION_TEXT_BYTES], lineage[33];

	position_print(head, status.head);
	position_print(upstream, status.upstream_head);
	hex_print(lineage, status.lineage, sizeof(status.lineage));
	fprintf(out, "head %s upstream %s r%llu lineage=%s epoch=%llu hlc=%llu.%u backend=%d n=%llu refused=%llu", head,
	        upstream, (unsigned long long)status.generation, lineage, (unsigned long long)status.epoch,
	        (unsigned long long)status.hlc.time_ms, status.hlc.counter, status.has_backend,
	        (unsigned long long)status.n_events, (unsigned long long)status.refused_ordinal);
	put_hash(out, "local", &status.local_hash);
	put_hash(out, "chain", &status.chain_hash);
	put_hash(out, "upstream", &status.upstream_chain_hash);
	fputc('\n', out);
}

char *try_content_of(struct eventlog *log, int *ret_code, struct error *error) {
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	int r;

	assert_non_null(out);
	put_status(out, log);
	r = put_events(out, log, error);
	if (r == 0)
		r = put_refused(out, log, error);
	if (r == 0)
		r = put_texts(out, log, error);
	if (r == 0)
		r = put_staged(out, log, error);
	if (r == 0)
		r = put_known(out, log, error);
	fclose(out);
	if (r == 0)
		return text;
	free(text);
	*ret_code = r;
	return NULL;
}

char *content_of(struct eventlog *log) {
	struct error error = { 0 };
	int code = 0;
	char *content = try_content_of(log, &code, &error);

	expect_success(code, &error);
	return content;
}

char *chain_of(struct eventlog *log) {
	struct event *events[PAGE_EVENTS_MAX];
	struct eventlog_query query = { .include_client_only = true, .n_max = PAGE_EVENTS_MAX,
		                        .bytes_max = PAGE_BYTES_MAX };
	struct error error = { 0 };
	char *text = NULL;
	size_t n, text_bytes;
	FILE *out = open_memstream(&text, &text_bytes);
	const char *gap = "";

	assert_non_null(out);
	do {
		expect_success(eventlog_read(log, &query, events, &n, &query.after, &error), &error);
		for (size_t i = 0; i < n; i++) {
			char at[POSITION_TEXT_BYTES];

			position_print(at, events[i]->entry.at);
			fprintf(out, "%s%s", gap, at);
			gap = " ";
			event_destroy(events[i]);
		}
	} while (n > 0);
	fclose(out);
	return text;
}

void assert_chain(struct eventlog *log, const char *expected) {
	char *chain = chain_of(log);

	assert_string_equal(chain, expected);
	free(chain);
}
