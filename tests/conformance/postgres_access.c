/* Who gets in: TLS, passwords, privileges, addresses. No text of a problem may hold a password. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/must.h"
#include "postgres_test.h"

#define SECRET "correct-horse"

static void expect_text(struct trial *trial, const struct problem *problem, const char *part) {
	expect(trial, strstr(problem->text, part) != NULL, "the problem did not speak of \"%s\": %s", part, problem->text);
}

static void expect_opened(struct trial *trial, const char *url) {
	struct client *client = client_start(trial, 0);
	struct problem problem;

	expect(trial, client_try_open(client, &(struct knowledge){ .url = url }, &problem), "%s was not opened: %s", url,
	       problem.text);
	client_destroy(client);
}

static void tls_is_verified_without_being_asked_for(struct trial *trial) {
	struct client *client = client_start(trial, 0);
	char url[URL_BYTES], sql[URL_BYTES];

	server_url(trial, url, "device", "passfile=%1$s/passfile&sslrootcert=%1$s/tls/root.crt", server_of(trial)->folder);
	client_open_knowing(client, &(struct knowledge){ .url = url });

	PGconn *admin = admin_open(trial);
	snprintf(sql, sizeof(sql),
	         "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)"
	         " WHERE ssl AND application_name = 'leaderd %s'",
	         client->client_id);
	expect(trial, admin_number(trial, admin, sql) == 1, "the server knew of no TLS");
	PQfinish(admin);
}

static void without_a_root_certificate_nobody_is_trusted(struct trial *trial) {
	char url[URL_BYTES];

	server_url(trial, url, "device", "passfile=%s/passfile&sslrootcert=/nonexistent.crt", server_of(trial)->folder);
	struct problem problem = expect_problem(trial, url, ERROR_PERMISSION);
	expect_text(trial, &problem, "/nonexistent.crt");
}

static void another_hosts_certificate_is_not_trusted(struct trial *trial) {
	const struct postgres_server *server = server_of(trial);
	char url[URL_BYTES];

	snprintf(url, sizeof(url),
	         "postgres://device@other.example:%s/leaderd?hostaddr=127.0.0.1&passfile=%s/passfile"
	         "&sslrootcert=%s/tls/root.crt",
	         server->port, server->folder, server->folder);
	struct problem problem = expect_problem(trial, url, ERROR_PERMISSION);
	expect_text(trial, &problem, "other.example");
}

static void an_expired_certificate_is_not_trusted(struct trial *trial) {
	char url[URL_BYTES];

	server_url(trial, url, "device", "passfile=%1$s/passfile&sslrootcert=%1$s/tls/root.crt", server_of(trial)->folder);
	server_command(trial, "certificate expired");
	struct problem problem = expect_problem(trial, url, ERROR_PERMISSION);
	expect_text(trial, &problem, "expired");
	server_command(trial, "certificate good");
	expect_opened(trial, url);
}

static void a_local_socket_needs_no_tls(struct trial *trial) {
	char url[URL_BYTES];

	snprintf(url, sizeof(url), "postgres://device@:%s/leaderd?host=%s/socket", server_of(trial)->port,
	         server_of(trial)->folder);
	expect_opened(trial, url);
}

static void a_password_in_the_url_is_refused_and_not_repeated(struct trial *trial) {
	static const char *const urls[] = {
		"postgres://device:" SECRET "@127.0.0.1/leaderd",
		"postgres://device:" SECRET "@127.0.0.1:5432/leaderd?sslmode=disable",
		"postgres://device:a/" SECRET "@127.0.0.1/leaderd",
		"postgres://device:" SECRET "/b@127.0.0.1/leaderd",
		"postgres://device:" SECRET "?b@127.0.0.1/leaderd",
		"postgres://device:" SECRET "#b@127.0.0.1/leaderd",
		"postgres://device:1/" SECRET "@127.0.0.1/leaderd",
		"postgres://:" SECRET "@127.0.0.1/leaderd",
		"postgres://127.0.0.1/leaderd?password=" SECRET,
		"postgres://127.0.0.1/leaderd?sslmode=disable&password=" SECRET "&user=device",
		"postgres://127.0.0.1/leaderd?sslpassword=" SECRET,
		"postgres://127.0.0.1/leaderd?%70assword=" SECRET,
		"postgres://127.0.0.1/leaderd?" SECRET,
		"postgres://127.0.0.1/leaderd?sslmode=" SECRET,
		"postgres://127.0.0.1:" SECRET "/leaderd",
	};

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct problem problem = expect_problem(trial, urls[i], ERROR_INVALID);

		expect(trial, strstr(problem.text, SECRET) == NULL, "%s: its password was repeated: %s", urls[i], problem.text);
	}
}

static void a_parameter_that_does_not_exist_is_named(struct trial *trial) {
	char url[URL_BYTES];

	server_url(trial, url, "device", "sslmod=disable");
	struct problem problem = expect_problem(trial, url, ERROR_INVALID);
	expect_text(trial, &problem, "\"sslmod\"");
	server_url(trial, url, "device", "sslmode=disable&connect_timeout=600");
	problem = expect_problem(trial, url, ERROR_INVALID);
	expect_text(trial, &problem, "connect_timeout");
	server_url(trial, url, "device", "sslmode=disable&listen=perhaps");
	problem = expect_problem(trial, url, ERROR_INVALID);
	expect_text(trial, &problem, "listen");
	server_url(trial, url, "device", "sslmode=disable&store=Not%%20A%%20Store");
	problem = expect_problem(trial, url, ERROR_INVALID);
	expect_text(trial, &problem, "store");
}

static void copy_file(const char *from, const char *to, mode_t mode) {
	char buffer[512];
	int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	must(in >= 0 && out >= 0);
	ssize_t n = read(in, buffer, sizeof(buffer));
	must(n > 0 && write(out, buffer, (size_t)n) == n && fchmod(out, mode) == 0);
	close(in);
	close(out);
}

static void passwords_come_from_files_only(struct trial *trial) {
	const char *folder = server_of(trial)->folder;
	char url[URL_BYTES], plain[URL_BYTES], passfile[URL_BYTES], credential[URL_BYTES];
	char line[200] = { 0 };

	server_url(trial, plain, "device", "sslmode=disable");
	snprintf(passfile, sizeof(passfile), "%s/passfile", folder);
	snprintf(credential, sizeof(credential), "%s/leaderd-postgres-passfile", folder);
	int fd = open(passfile, O_RDONLY | O_CLOEXEC);
	must(fd >= 0 && read(fd, line, sizeof(line) - 1) > 0);
	close(fd);
	line[strcspn(line, "\n")] = '\0';
	char *password = strrchr(line, ':') + 1;

	setenv("HOME", "/nonexistent", 1);
	setenv("PGPASSWORD", password, 1);
	struct problem problem = expect_problem(trial, plain, ERROR_PERMISSION);
	expect_text(trial, &problem, "passfile");
	unsetenv("PGPASSWORD");

	setenv("PGPASSFILE", passfile, 1);
	expect_opened(trial, plain);
	unsetenv("PGPASSFILE");

	copy_file(passfile, credential, 0440);
	setenv("CREDENTIALS_DIRECTORY", folder, 1);
	expect_opened(trial, plain);
	unsetenv("CREDENTIALS_DIRECTORY");

	server_url(trial, url, "device", "sslmode=disable&passfile=%s", credential);
	problem = expect_problem(trial, url, ERROR_PERMISSION);
	expect_text(trial, &problem, "0600");
	unlink(credential);
	problem = expect_problem(trial, url, ERROR_PERMISSION);
	expect_text(trial, &problem, credential);

	server_url(trial, url, "device", "sslmode=disable&passfile=%s.wrong", passfile);
	problem = expect_problem(trial, url, ERROR_PERMISSION);
	expect_text(trial, &problem, "28P01");
}

static void only_the_url_says_where_to_connect(struct trial *trial) {
	char url[URL_BYTES];

	server_url(trial, url, "device", "sslmode=disable&passfile=%s/passfile", server_of(trial)->folder);
	setenv("PGHOSTADDR", "127.0.0.2", 1);
	setenv("PGOPTIONS", "-c default_transaction_read_only=on", 1);
	setenv("PGSERVICE", "nonexistent", 1);
	expect_opened(trial, url);
	unsetenv("PGHOSTADDR");
	unsetenv("PGOPTIONS");
	unsetenv("PGSERVICE");
}

static void a_user_without_privileges_is_a_permanent_problem(struct trial *trial) {
	char url[URL_BYTES];
	PGconn *admin = admin_open(trial);

	server_url(trial, url, "guest", "sslmode=disable&passfile=%s/passfile", server_of(trial)->folder);
	client_destroy(open_device(trial, 0)); /* the tables are there */
	expect_problem(trial, url, ERROR_PERMISSION);
	admin_run(trial, admin, "DROP SCHEMA leaderd CASCADE");
	expect_problem(trial, url, ERROR_PERMISSION);
	PQfinish(admin);
}

static void a_user_with_the_documented_privileges_works(struct trial *trial) {
	char url[URL_BYTES];
	PGconn *admin = admin_open(trial);
	struct client *client;
	struct history history = { 0 };

	server_url(trial, url, "guest", "sslmode=disable&passfile=%s/passfile", server_of(trial)->folder);
	client_destroy(open_device(trial, 0));
	admin_run(trial, admin,
	          "GRANT USAGE ON SCHEMA leaderd TO guest;"
	          "GRANT SELECT, INSERT, UPDATE ON leaderd.log TO guest;"
	          "GRANT SELECT, INSERT ON leaderd.event TO guest");
	trial_new_store(trial);
	client = client_start(trial, 0);
	client_open_knowing(client, &(struct knowledge){ .url = url });
	history_add_unit(trial, &history, 3, 100);
	client_push_all(client, &history, 0, &(struct backend_point){ 0 });
	client_expect_log(client, &history, &(struct backend_point){ 0 });
	admin_run(trial, admin, "DROP OWNED BY guest");
	history_finish(&history);
	PQfinish(admin);
}

static void what_is_not_there_is_named(struct trial *trial) {
	const struct postgres_server *server = server_of(trial);
	char url[URL_BYTES];

	snprintf(url, sizeof(url), "postgres://device@127.0.0.1:%s/nothing?sslmode=disable&passfile=%s/passfile",
	         server->port, server->folder);
	struct problem problem = expect_problem(trial, url, ERROR_INVALID);
	expect_text(trial, &problem, "nothing");

	snprintf(url, sizeof(url), "postgres://device@127.0.0.1:1/leaderd?sslmode=disable");
	problem = expect_problem(trial, url, ERROR_NOT_RUNNING);
	expect_text(trial, &problem, "refused");
	expect(trial, strchr(problem.text, '\t') == NULL, "the problem was more than a line: %s", problem.text);

	snprintf(url, sizeof(url), "postgres://device@nothing.invalid/leaderd?sslmode=disable");
	problem = expect_problem(trial, url, ERROR_NOT_RUNNING);
	expect_text(trial, &problem, "nothing.invalid");
}

static void a_host_that_says_nothing_is_given_up(struct trial *trial) {
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char url[URL_BYTES];

	must(fd >= 0 && bind(fd, (struct sockaddr *)&address, n) == 0 && listen(fd, 4) == 0);
	must(getsockname(fd, (struct sockaddr *)&address, &n) == 0);
	snprintf(url, sizeof(url), "postgres://device@127.0.0.1:%d/leaderd?connect_timeout=1", ntohs(address.sin_port));
	int64_t start = now_ms();
	expect_problem(trial, url, ERROR_TIMEOUT);
	expect(trial, now_ms() - start < 5000, "it took %d ms", (int)(now_ms() - start));
	close(fd);
}

static void of_several_hosts_the_primary_is_taken(struct trial *trial) {
	const struct postgres_server *server = server_of(trial);
	char url[URL_BYTES];

	snprintf(url, sizeof(url),
	         "postgres://device@127.0.0.1:1,127.0.0.1:%s/leaderd?sslmode=disable&passfile=%s/passfile", server->port,
	         server->folder);
	expect_opened(trial, url);
}

static void a_standby_is_not_written_to_nor_read_from(struct trial *trial) {
	struct client *client = open_device(trial, 0);
	struct history history = { 0 };
	struct problem problem;

	history_add_unit(trial, &history, 2, 100);
	client_push_all(client, &history, 0, &(struct backend_point){ 0 });
	server_command(trial, "demote");
	problem = expect_problem(trial, trial->options->url, ERROR_NOT_RUNNING);
	expect_text(trial, &problem, "standby");
	server_command(trial, "promote");
	client = open_device(trial, 0);
	client_expect_log(client, &history, &(struct backend_point){ 0 });
	history_finish(&history);
}

const struct story stories_of_access[] = {
	{ .name = "TLS is verified without being asked for", .run = tls_is_verified_without_being_asked_for },
	{ .name = "without a root certificate nobody is trusted", .run = without_a_root_certificate_nobody_is_trusted },
	{ .name = "another host's certificate is not trusted", .run = another_hosts_certificate_is_not_trusted },
	{ .name = "an expired certificate is not trusted", .run = an_expired_certificate_is_not_trusted },
	{ .name = "a local socket needs no TLS", .run = a_local_socket_needs_no_tls },
	{ .name = "a password in the URL is refused and not repeated",
	  .run = a_password_in_the_url_is_refused_and_not_repeated },
	{ .name = "a parameter that does not exist is named", .run = a_parameter_that_does_not_exist_is_named },
	{ .name = "passwords come from files only", .run = passwords_come_from_files_only },
	{ .name = "only the URL says where to connect", .run = only_the_url_says_where_to_connect },
	{ .name = "a user without privileges is a permanent problem",
	  .run = a_user_without_privileges_is_a_permanent_problem },
	{ .name = "a user with the documented privileges works", .run = a_user_with_the_documented_privileges_works },
	{ .name = "what is not there is named", .run = what_is_not_there_is_named },
	{ .name = "a host that says nothing is given up", .run = a_host_that_says_nothing_is_given_up },
	{ .name = "of several hosts the primary is taken", .run = of_several_hosts_the_primary_is_taken },
	{ .name = "a standby is not written to nor read from", .run = a_standby_is_not_written_to_nor_read_from },
	{ 0 },
};
