/* Which backend a store has: the file that says so, and which URLs are taken. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "leaderd/src/backend.h"

static int make_folder(void **state) {
	char *folder = strdup("/tmp/leaderd-test-XXXXXX");

	assert_non_null(mkdtemp(folder));
	*state = folder;
	return 0;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place) {
	return remove(path);
}

static int remove_folder(void **state) {
	nftw(*state, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(*state);
	return 0;
}

static void save(const char *folder, struct backend backend) {
	struct error error;

	if (backend_save(&backend, folder, &error) < 0)
		fail_msg("%s", error.text);
}

static void write_file(const char *folder, const char *text) {
	char path[128];

	snprintf(path, sizeof(path), "%s/" BACKEND_FILE, folder);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* ---- the file ------------------------------------------------------------------------ */

static void a_store_without_the_file_has_no_backend(void **state) {
	struct backend backend;
	struct error error;

	assert_int_equal(backend_load(&backend, *state, &error), 0);
	assert_null(backend.url);
}

static void what_was_saved_is_loaded(void **state) {
	char url[] = "file:/srv/\xc3\xa4 quote\"?store=x";
	struct backend backend;
	struct error error;

	save(*state, (struct backend){ .url = url, .push_only = true, .repaired = (char *)"3 events written" });
	assert_int_equal(backend_load(&backend, *state, &error), ERROR_CORRUPT); /* a blank is none of a URL's */
	strcpy(url, "file:/srv/\xc3\xa4\"quote?store=x");
	save(*state, (struct backend){ .url = url, .push_only = true, .repaired = (char *)"3 events written" });
	assert_int_equal(backend_load(&backend, *state, &error), 0);
	assert_string_equal(backend.url, url);
	assert_true(backend.push_only);
	assert_false(backend.offline);
	assert_string_equal(backend.repaired, "3 events written");
	backend_finish(&backend);
}

static void only_we_may_read_it_and_nothing_is_left_beside_it(void **state) {
	char path[128];
	struct stat found;

	save(*state, (struct backend){ .url = (char *)"file:/a" });
	save(*state, (struct backend){ .url = (char *)"file:/b" });
	snprintf(path, sizeof(path), "%s/" BACKEND_FILE, (char *)*state);
	assert_int_equal(stat(path, &found), 0);
	assert_int_equal(found.st_mode & 07777, 0600);
	strcat(path, ".new");
	assert_int_equal(access(path, F_OK), -1);
}

static void without_a_url_the_file_goes(void **state) {
	struct backend backend;
	struct error error;

	save(*state, (struct backend){ .url = (char *)"file:/a", .offline = true });
	save(*state, (struct backend){ 0 });
	save(*state, (struct backend){ 0 });
	assert_int_equal(backend_load(&backend, *state, &error), 0);
	assert_null(backend.url);
}

static void a_damaged_file_is_told(void **state) {
	static const char *const texts[] = { "", "{", "[]", "{}", "{\"url\":5}", "{\"url\":\"none\"}",
		                                 "{\"url\":\"file:/a\",\"url\":\"file:/b\"}", "\xff\xfe" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct backend backend = { .offline = true };
		struct error error;

		write_file(*state, texts[i]);
		assert_int_equal(backend_load(&backend, *state, &error), ERROR_CORRUPT);
		assert_true(backend.offline);
	}
}

static void a_folder_that_is_gone_is_told(void **state) {
	struct backend backend = { .url = (char *)"file:/a" };
	struct error error;

	assert_int_equal(backend_save(&backend, "/nowhere/at/all", &error), ERROR_IO);
	assert_int_equal(backend_load(&backend, "/nowhere/at/all", &error), ERROR_IO);
}

/* ---- URLs -------------------------------------------------------------------------------- */

static void expect_url(const char *url, int code) {
	struct error error = { 0 };

	if (backend_check_url(url, &error) != code)
		fail_msg("%s: %d (%s), expected %d", url, error.code, error.text, code);
}

static void urls_have_a_scheme_and_no_secret(void **state) {
	expect_url("file:/a/log.db", 0);
	expect_url("postgres://me@host:5432/db?store=x", 0);
	expect_url("nats://host:4222", 0);
	expect_url("s3x:a", 0);
	expect_url("file:/a:b@c", 0);
	expect_url("", ERROR_INVALID);
	expect_url("file", ERROR_INVALID);
	expect_url("file:", ERROR_INVALID);
	expect_url(":/a", ERROR_INVALID);
	expect_url("File:/a", ERROR_INVALID);
	expect_url("../x:/a", ERROR_INVALID);
	expect_url("abcdefghijklmnopqrstuvwxyzabcdefg:/a", ERROR_INVALID);
	expect_url("file:/a\nb", ERROR_INVALID);
	expect_url("file:/a b", ERROR_INVALID);
	expect_url("file:/a\xff", ERROR_INVALID);
	expect_url("postgres://me:secret@host/db", ERROR_INVALID);
	expect_url("postgres://host/db?user=me&password=secret", ERROR_INVALID);
	expect_url("nats://host:4222?token=secret", ERROR_INVALID);
}

static void the_text_of_a_url_with_a_secret_is_not_repeated(void **state) {
	struct error error;

	assert_int_equal(backend_check_url("postgres://me:secret@host/db", &error), ERROR_INVALID);
	assert_null(strstr(error.text, "secret"));
	assert_null(strstr(error.text, "host"));
}

static void a_url_has_a_largest_length(void **state) {
	char *url = calloc(1, 5000);

	memset(url, 'a', 4999);
	memcpy(url, "file:", 5);
	expect_url(url, ERROR_TOO_LARGE);
	url[4096] = '\0';
	expect_url(url, 0);
	free(url);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(a_store_without_the_file_has_no_backend),
		TEST(what_was_saved_is_loaded),
		TEST(only_we_may_read_it_and_nothing_is_left_beside_it),
		TEST(without_a_url_the_file_goes),
		TEST(a_damaged_file_is_told),
		TEST(a_folder_that_is_gone_is_told),
		cmocka_unit_test(urls_have_a_scheme_and_no_secret),
		cmocka_unit_test(the_text_of_a_url_with_a_secret_is_not_repeated),
		cmocka_unit_test(a_url_has_a_largest_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
