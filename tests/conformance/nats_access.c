/* Who gets in: addresses, TLS, credentials. No text of a problem may hold a password. */

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/must.h"
#include "nats_test.h"

#define SECRET "correct-horse"
#define SIXTEEN "0123456789abcdef"

static void a_password_in_the_url_is_refused_and_not_repeated(struct trial *trial) {
	static const char *const urls[] = {
		"nats://device:" SECRET "@127.0.0.1:4222", "nats://" SECRET "@127.0.0.1",
		"nats://device:" SECRET "%40127.0.0.1",    "nats://127.0.0.1,device:" SECRET "@127.0.0.1?replicas=3",
		"nats://127.0.0.1?password=" SECRET,       "nats://127.0.0.1?creds=" SECRET "&nonsense=1",
	};

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct problem problem = expect_problem(trial, urls[i], ERROR_INVALID);

		expect(trial, strstr(problem.text, SECRET) == NULL, "a problem repeated the password: %s", problem.text);
	}
}

static void what_is_no_address_is_refused(struct trial *trial) {
	static const char *const urls[] = {
		"nats:",
		"nats://",
		"nats:127.0.0.1",
		"nats://:4222",
		"nats://127.0.0.1:",
		"nats://127.0.0.1:0",
		"nats://127.0.0.1:65536",
		"nats://127.0.0.1:42x",
		"nats://127.0.0.1:4222,",
		"nats://127.0.0.1/log",
		"nats://[::1:4222",
		"nats://a b",
		"nats://h,h,h,h,h,h",
		"nats://127.0.0.1?tsl=on",
		"nats://127.0.0.1?tls=yes",
		"nats://127.0.0.1?tls",
		"nats://127.0.0.1?tls=off&ca=/ca.crt",
		"nats://127.0.0.1?cert=/c.crt",
		"nats://127.0.0.1?key=/c.key",
		"nats://127.0.0.1?creds=c.creds",
		"nats://127.0.0.1?creds=/a&passfile=/b",
		"nats://127.0.0.1?replicas=0",
		"nats://127.0.0.1?replicas=6",
		"nats://127.0.0.1?replicas=33",
		"nats://127.0.0.1?replicas=",
		"nats://127.0.0.1?store=" SIXTEEN SIXTEEN SIXTEEN SIXTEEN "g",
		"natsx://127.0.0.1",
		"file:/tmp/log.db",
		"nats://127.0.0.1?creds=/nonexistent.creds",
		"nats://127.0.0.1?ca=/nonexistent.crt",
	};

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		expect_problem(trial, urls[i], ERROR_INVALID);
}

static void a_server_that_is_not_there_may_come_back(struct trial *trial) {
	struct problem problem = expect_problem(trial, "nats://127.0.0.1:1", ERROR_NOT_RUNNING);

	expect_text(trial, &problem, "nats://127.0.0.1:1");
}

static void one_server_of_several_is_enough(struct trial *trial) {
	char url[2 * URL_BYTES];

	snprintf(url, sizeof(url), "nats://127.0.0.1:1,%s", tests_of(trial)->url + strlen("nats://"));
	open_at(trial, url);
}

static void a_server_without_jetstream_is_of_no_use(struct trial *trial) {
	char url[2 * URL_BYTES];

	server_make(trial, "--no-jetstream");
	server_url(trial, url, "%s", "");
	struct problem problem = expect_problem(trial, url, ERROR_INVALID);
	expect_text(trial, &problem, "JetStream");
}

static void a_server_of_tiny_messages_is_of_no_use(struct trial *trial) {
	char url[2 * URL_BYTES];

	server_make(trial, "--max-payload 16384");
	server_url(trial, url, "%s", "");
	struct problem problem = expect_problem(trial, url, ERROR_INVALID);
	expect_text(trial, &problem, "max_payload");
}

static void replicas_need_a_cluster(struct trial *trial) {
	char url[2 * URL_BYTES];

	snprintf(url, sizeof(url), "%s?replicas=3", tests_of(trial)->url);
	expect_problem(trial, url, ERROR_INVALID);
}

/* Many messages: they are read as a page of many is. */
static void write_and_read(struct trial *trial, struct client *client) {
	struct history history = { 0 };
	struct backend_point root = { 0 }, head = { 0 };

	for (size_t i = 0; i < 20; i++) {
		history_add_unit(trial, &history, 2, 100);
		head = client_push_all(client, &history, 2 * i, &head);
	}
	client_expect_log(client, &history, &root);
	history_finish(&history);
}

static void passwords_come_from_a_file(struct trial *trial) {
	char url[URL_BYTES], path[URL_BYTES];
	struct problem problem;

	server_make(trial, "--users");
	server_url(trial, url, "?passfile=%s/passfile", tests_of(trial)->own);
	write_and_read(trial, open_at(trial, url));
	server_url(trial, url, "?passfile=%s/passfile.wrong", tests_of(trial)->own);
	expect_problem(trial, url, ERROR_PERMISSION);
	server_url(trial, url, "%s", "");
	expect_problem(trial, url, ERROR_PERMISSION);

	/* Let in, and allowed nothing: the server's only word comes aside. */
	server_url(trial, url, "?passfile=%s/passfile.guest", tests_of(trial)->own);
	problem = expect_problem(trial, url, ERROR_PERMISSION);
	expect_text(trial, &problem, "ermission");

	snprintf(path, sizeof(path), "%s/passfile", tests_of(trial)->own);
	must(chmod(path, 0644) == 0);
	server_url(trial, url, "?passfile=%s", path);
	problem = expect_problem(trial, url, ERROR_PERMISSION);
	expect_text(trial, &problem, "chmod 600");
	server_url(trial, url, "?passfile=%s", tests_of(trial)->own);
	expect_problem(trial, url, ERROR_INVALID); /* a folder */
}

static void credentials_come_from_a_file(struct trial *trial) {
	char url[URL_BYTES], path[URL_BYTES];

	server_make(trial, "--creds");
	server_url(trial, url, "?creds=%s/device.creds", tests_of(trial)->own);
	write_and_read(trial, open_at(trial, url));
	server_url(trial, url, "?creds=%s/wrong.creds", tests_of(trial)->own);
	expect_problem(trial, url, ERROR_PERMISSION);
	snprintf(path, sizeof(path), "%s/nothing.creds", tests_of(trial)->own);
	FILE *file = fopen(path, "we");
	must(file != NULL && fputs("no credentials\n", file) >= 0 && fclose(file) == 0 && chmod(path, 0600) == 0);
	server_url(trial, url, "?creds=%s", path);
	expect_problem(trial, url, ERROR_INVALID);
	must(chmod(path, 0640) == 0);
	expect_problem(trial, url, ERROR_PERMISSION);
}

static void certificates_are_looked_at(struct trial *trial) {
	char url[URL_BYTES], good[URL_BYTES];
	struct problem problem;

	server_make(trial, "--tls");
	server_url(trial, good, "?ca=%s/root.crt", tests_of(trial)->own);
	open_at(trial, good);

	/* Nobody vouches for it; it is another host's; it has expired. */
	server_url(trial, url, "%s", "?tls=on");
	problem = expect_problem(trial, url, ERROR_PERMISSION);
	expect_text(trial, &problem, "certificate");
	snprintf(url, sizeof(url), "nats://localhost%s?ca=%s/root.crt", strrchr(tests_of(trial)->own_url, ':'),
	         tests_of(trial)->own);
	expect_problem(trial, url, ERROR_PERMISSION);
	server_command(trial, "certificate expired");
	problem = expect_problem(trial, good, ERROR_PERMISSION);
	expect_text(trial, &problem, "expired");
	server_command(trial, "certificate good");
	open_at(trial, good);
}

static void without_tls_nothing_is_sent_where_tls_was_asked_for(struct trial *trial) {
	char url[2 * URL_BYTES];

	snprintf(url, sizeof(url), "%s?tls=on", tests_of(trial)->url);
	struct problem problem = expect_problem(trial, url, ERROR_INVALID);
	expect_text(trial, &problem, "tls=off");
}

const struct story stories_of_access[] = {
	{ .name = "a password in the URL is refused and not repeated",
	  .run = a_password_in_the_url_is_refused_and_not_repeated },
	{ .name = "what is no address is refused", .run = what_is_no_address_is_refused },
	{ .name = "a server that is not there may come back", .run = a_server_that_is_not_there_may_come_back },
	{ .name = "one server of several is enough", .run = one_server_of_several_is_enough },
	{ .name = "a server without JetStream is of no use", .run = a_server_without_jetstream_is_of_no_use },
	{ .name = "a server of tiny messages is of no use", .run = a_server_of_tiny_messages_is_of_no_use },
	{ .name = "replicas need a cluster", .run = replicas_need_a_cluster },
	{ .name = "passwords come from a file", .run = passwords_come_from_a_file },
	{ .name = "credentials come from a file", .run = credentials_come_from_a_file },
	{ .name = "certificates are looked at", .run = certificates_are_looked_at },
	{ .name = "without TLS nothing is sent where TLS was asked for",
	  .run = without_tls_nothing_is_sent_where_tls_was_asked_for },
	{ 0 },
};
