/* Streams that are another's, lost, damaged or full. */

#include <inttypes.h>
#include <string.h>

#include "base/must.h"
#include "nats_test.h"

static struct backend_point root;

static void the_stream_keeps_what_it_is_given(struct trial *trial) {
	struct admin admin = { 0 };
	jsStreamInfo *info = NULL;

	open_device(trial, 0);
	admin_open(trial, &admin);
	expect(trial, js_GetStreamInfo(&info, admin.js, admin.stream, NULL, NULL) == NATS_OK, "no stream %s", admin.stream);
	const jsStreamConfig *config = info->Config;
	expect(trial, config->Storage == js_FileStorage && config->Retention == js_LimitsPolicy, "another storage");
	expect(trial, config->DenyDelete && config->DenyPurge && config->Discard == js_DiscardNew, "it may lose messages");
	expect(trial, config->MaxAge == 0 && config->MaxMsgs <= 0 && config->MaxBytes <= 0, "it has limits");
	expect(trial, config->Replicas == 1 && config->SubjectsLen == 1, "other replicas or subjects");
	expect(trial, info->State.LastSeq == 1, "%" PRIu64 " messages, expected the header record", info->State.LastSeq);
	jsStreamInfo_Destroy(info);
	expect(trial, js_DeleteMsg(admin.js, admin.stream, 1, NULL, NULL) != NATS_OK, "a message could be deleted");
	expect(trial, js_PurgeStream(admin.js, admin.stream, NULL, NULL) != NATS_OK, "the stream could be purged");
	admin_close(&admin);
}

static void names_of_any_characters_are_logs_of_their_own(struct trial *trial) {
	static const char *const names[] = {
		"a.b", "a_b", "a-b", "a_2Eb", "A.b", "a%20%2a%3e%2f%5cb", "%c3%a4", "a%0ab", "*",
	};
	uint8_t lineages[sizeof(names) / sizeof(names[0])][16];
	char url[2 * URL_BYTES];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(url, sizeof(url), "%s?store=%s-%s", tests_of(trial)->url, names[i], trial->store + 12);
		struct client *client = open_at(trial, url);

		memcpy(lineages[i], client->opened.lineage, 16);
		for (size_t k = 0; k < i; k++)
			expect(trial, memcmp(lineages[i], lineages[k], 16) != 0, "%s and %s are one log", names[i], names[k]);
		client_destroy(client);
	}
}

static void add_stream(struct trial *trial, struct admin *admin, const jsStreamConfig *other) {
	jsStreamConfig config = *other;
	const char *subjects[] = { admin->subject };

	config.Name = admin->stream;
	if (config.SubjectsLen == 0) {
		config.Subjects = subjects;
		config.SubjectsLen = 1;
	}
	js_DeleteStream(admin->js, admin->stream, NULL, NULL);
	expect(trial, js_AddStream(NULL, admin->js, &config, NULL, NULL) == NATS_OK, "cannot make a stream: %s",
	       nats_GetLastError(NULL));
}

static void streams_of_another_kind_are_left_alone(struct trial *trial) {
	const char *elsewhere[] = { "somewhere.else" }, *all[] = { "leaderd-test.>" };
	struct admin admin = { 0 };
	jsStreamConfig kinds[6];

	admin_open(trial, &admin);
	for (size_t i = 0; i < 6; i++)
		jsStreamConfig_Init(&kinds[i]);
	kinds[0].Storage = js_MemoryStorage;
	kinds[1].MaxAge = 1000000000000;
	kinds[2].MaxMsgs = 1000;
	kinds[3].Retention = js_WorkQueuePolicy;
	kinds[4].Subjects = elsewhere;
	kinds[4].SubjectsLen = 1;
	kinds[5].Subjects = all;
	kinds[5].SubjectsLen = 1;
	for (size_t i = 0; i < 6; i++) {
		add_stream(trial, &admin, &kinds[i]);
		struct problem problem = expect_problem(trial, tests_of(trial)->url, ERROR_CONFLICT);
		expect_text(trial, &problem, admin.stream);
	}
	js_DeleteStream(admin.js, admin.stream, NULL, NULL);

	/* Our subject in another's stream. */
	const char *ours[] = { admin.subject };
	kinds[5].Name = "notes-of-another-program";
	kinds[5].Subjects = ours;
	expect(trial, js_AddStream(NULL, admin.js, &kinds[5], NULL, NULL) == NATS_OK, "cannot make a stream");
	struct problem problem = expect_problem(trial, tests_of(trial)->url, ERROR_CONFLICT);
	expect_text(trial, &problem, admin.subject);
	js_DeleteStream(admin.js, kinds[5].Name, NULL, NULL);
	admin_close(&admin);
}

static void publish(struct trial *trial, struct admin *admin, const char *const headers[][2], const char *payload,
                    size_t n) {
	natsMsg *message;

	must(natsMsg_Create(&message, admin->subject, NULL, payload, (int)n) == NATS_OK);
	for (; headers != NULL && (*headers)[0] != NULL; headers++)
		must(natsMsgHeader_Set(message, (*headers)[0], (*headers)[1]) == NATS_OK);
	expect(trial, js_PublishMsg(NULL, admin->js, message, NULL, NULL) == NATS_OK, "cannot publish: %s",
	       nats_GetLastError(NULL));
	natsMsg_Destroy(message);
}

static void first_messages_of_others_are_no_header_record(struct trial *trial) {
	static const char *const newer[][2] = { { "Leaderd-Format", "2" }, { 0 } };
	static const char *const bad_lineage[][2] = {
		{ "Leaderd-Format", "1" }, { "Leaderd-Lineage", "xyz" }, { "Leaderd-Epoch", "1" }, { 0 }
	};
	static const char *const no_epoch[][2] = { { "Leaderd-Format", "1" },
		                                       { "Leaderd-Lineage", "00112233445566778899aabbccddeeff" },
		                                       { 0 } };
	const struct {
		const char *const (*headers)[2];
		int code;
	} firsts[] = {
		{ NULL, ERROR_CONFLICT },
		{ newer, ERROR_VERSION },
		{ bad_lineage, ERROR_CORRUPT },
		{ no_epoch, ERROR_CORRUPT },
	};
	struct admin admin = { 0 };
	jsStreamConfig plain;

	admin_open(trial, &admin);
	jsStreamConfig_Init(&plain);
	for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
		add_stream(trial, &admin, &plain);
		publish(trial, &admin, firsts[i].headers, "hello", 5);
		expect_problem(trial, tests_of(trial)->url, firsts[i].code);
	}
	admin_close(&admin);
}

static struct problem expect_no_page(struct trial *trial, struct client *client) {
	client_send_pull(client, &(struct ask){ 0 });
	struct page page = client_take_page(client, ANSWER_MS);

	expect(trial, page.problem, "a damaged stream gave %zu events", page.n);
	return page.what;
}

#define HASH_0 "0000000000000000000000000000000000000000000000000000000000000000"

static void damaged_messages_are_named_and_give_nothing(struct trial *trial) {
	static const struct {
		const char *first, *last, *chain, *payload;
		size_t n;
	} damages[] = {
		{ NULL, NULL, NULL, "hello", 5 }, /* someone else's */
		{ "1", "1", HASH_0, "", 0 },
		{ "1", "1", HASH_0, "\1\0\0", 3 },
		{ "1", "1", HASH_0, "\0\0\0\0", 4 },
		{ "1", "1", HASH_0, "\5\0\0\0abcd", 8 },
		{ "1", "1", HASH_0,
		  "\xff\xff\xff\xff"
		  "abcd",
		  8 },
		{ "1", "1", HASH_0, "\4\0\0\0abcd", 8 },
		{ "2", "1", HASH_0, "\4\0\0\0abcd", 8 },
		{ "2", "2", HASH_0, "\4\0\0\0abcd", 8 },
		{ "-1", "1", HASH_0, "\4\0\0\0abcd", 8 },
		{ "1", "99999999999999999999", HASH_0, "\4\0\0\0abcd", 8 },
		{ "1", "1", "abc", "\4\0\0\0abcd", 8 },
	};
	struct admin admin = { 0 };

	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		const char *headers[][2] = { { "Leaderd-First", damages[i].first },
			                         { "Leaderd-Last", damages[i].last },
			                         { "Leaderd-Chain", damages[i].chain },
			                         { "Leaderd-Parent", HASH_0 },
			                         { 0 } };

		trial_new_store(trial);
		struct client *client = open_device(trial, 0);
		admin_open(trial, &admin);
		publish(trial, &admin, damages[i].first == NULL ? NULL : headers, damages[i].payload, damages[i].n);
		admin_close(&admin);
		struct problem problem = expect_no_page(trial, client);
		expect(trial, problem.code == ERROR_CORRUPT && !problem.permanent, "damage %zu was called %d: %s", i,
		       problem.code, problem.text);
		client_destroy(client);
	}
}

/* The events are good, and the message does not stand where it says. */
static void a_message_out_of_place_is_not_taken(struct trial *trial) {
	struct client *client = open_device(trial, 0);
	struct history history = { 0 };
	struct admin admin = { 0 };
	natsMsg *message = NULL;

	history_add_unit(trial, &history, 2, 100);
	client_push_all(client, &history, 0, &root);
	admin_open(trial, &admin);
	expect(trial, js_GetMsg(&message, admin.js, admin.stream, 2, NULL, NULL) == NATS_OK, "no message 2");
	const char *headers[5][2] = { { 0 } };
	const char *const names[] = { "Leaderd-First", "Leaderd-Last", "Leaderd-Chain", "Leaderd-Parent" };
	for (size_t i = 0; i < 4; i++) {
		headers[i][0] = names[i];
		must(natsMsgHeader_Get(message, names[i], &headers[i][1]) == NATS_OK);
	}
	publish(trial, &admin, headers, natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message));
	natsMsg_Destroy(message);
	admin_close(&admin);
	struct problem problem = expect_no_page(trial, client);
	expect(trial, problem.code == ERROR_CORRUPT, "a repeated message was called %d: %s", problem.code, problem.text);
	expect_text(trial, &problem, "message 3");
	history_finish(&history);
}

/* Under an open connection: whoever was connected must not go on as if nothing had happened. */
static void a_stream_that_was_made_anew_is_another_one(struct trial *trial) {
	struct client *client = open_device(trial, 0);
	struct history history = { 0 }, other = { 0 };
	struct admin admin = { 0 };
	struct answer answer;

	history_add_unit(trial, &history, 2, 100);
	history_add_unit(trial, &other, 2, 100);
	struct backend_point head = client_push_all(client, &history, 0, &root);
	history_add_unit(trial, &history, 1, 100);
	admin_open(trial, &admin);
	expect(trial, js_DeleteStream(admin.js, admin.stream, NULL, NULL) == NATS_OK, "cannot delete the stream");
	admin_close(&admin);
	struct client *second = open_device(trial, 0);
	client_push_all(second, &other, 0, &root);

	client_send_push(client, &(struct batch){ .parent = &head, .events = history.events + 2, .n = 1 });
	answer = client_take_answer(client);
	expect(trial, answer.result == 0 && !answer.problem.permanent, "a push into another stream got result %d",
	       answer.result);
	struct knowledge known = { .lineage = client->opened.lineage, .epoch = 1 };
	struct problem problem;
	expect(trial, !client_try_open(client, &known, &problem) && problem.code == ERROR_CONFLICT,
	       "the stream of another lineage was opened");
	client_expect_log(second, &other, &root);
	history_finish(&history);
	history_finish(&other);
}

static void a_stream_that_was_taken_away_is_made_anew(struct trial *trial) {
	struct client *client = open_device(trial, 0);
	struct knowledge known = { .lineage = client->opened.lineage, .epoch = client->opened.epoch };
	struct admin admin = { 0 };

	admin_open(trial, &admin);
	expect(trial, js_DeleteStream(admin.js, admin.stream, NULL, NULL) == NATS_OK, "cannot delete the stream");
	struct problem problem = expect_no_page(trial, client);
	expect(trial, problem.code == ERROR_NOT_RUNNING, "a stream that is gone was called %d: %s", problem.code,
	       problem.text);
	client_open_knowing(client, &known);
	expect(trial, client->opened.epoch == known.epoch + 1, "the stream that was made anew has the old epoch");
	admin_close(&admin);
}

static void a_full_server_says_so_and_keeps_what_it_has(struct trial *trial) {
	char url[2 * URL_BYTES];
	struct history history = { 0 };
	struct backend_point head = { 0 };
	struct answer answer;

	server_make(trial, "--max-file 2M");
	server_url(trial, url, "%s", "");
	struct client *client = open_at(trial, url);
	for (size_t n = 0;; n++) {
		expect(trial, n < 100, "a server of 2 MB took %zu batches of 100 kB", n);
		history_add_unit(trial, &history, 1, 100 * 1000);
		answer = client_push(client, &(struct batch){ .parent = &head, .events = history.events + n, .n = 1 });
		if (answer.result != PUSH_ACCEPTED)
			break;
		head = answer.head;
	}
	expect(trial, answer.result == 0 && answer.problem.code == ERROR_FULL && !answer.problem.permanent,
	       "a full server got result %d, problem %d: %s", answer.result, answer.problem.code, answer.problem.text);
	history_cut(&history, history.n - 1);
	client_expect_log(client, &history, &root);
	history_finish(&history);
}

/* It takes the connection and says nothing: a call has an end all the same. */
static void a_silent_server_is_not_waited_for_for_ever(struct trial *trial) {
	struct history history = { 0 };
	struct answer answer;
	char url[2 * URL_BYTES];

	server_make(trial, "");
	server_url(trial, url, "%s", "");
	struct client *client = open_at(trial, url);
	history_add_unit(trial, &history, 1, 100);
	server_command(trial, "pause");
	int64_t start = now_ms();
	client_send_push(client, &(struct batch){ .parent = &root, .events = history.events, .n = 1 });
	answer = client_take_answer(client);
	expect(trial, answer.result == 0 && answer.problem.code == ERROR_TIMEOUT && !answer.problem.permanent,
	       "a silent server got result %d, problem %d: %s", answer.result, answer.problem.code, answer.problem.text);
	expect(trial, now_ms() - start < ADAPTER_CALL_MS, "it took %d ms", (int)(now_ms() - start));
	struct problem problem;
	start = now_ms();
	expect(trial, !client_try_open(client, &(struct knowledge){ .url = url }, &problem) && !problem.permanent,
	       "a silent server was opened");
	expect(trial, now_ms() - start < ADAPTER_CALL_MS, "opening took %d ms", (int)(now_ms() - start));
	server_command(trial, "resume");
	client_open_knowing(client, &(struct knowledge){ .url = url });
	client_push_all(client, &history, 0, &root);
	history_finish(&history);
}

/* How many consumers there are; `forget`: and now none. */
static size_t count_consumers(struct trial *trial, bool forget) {
	struct admin admin = { 0 };
	jsConsumerNamesList *names = NULL;
	size_t n = 0;

	admin_open(trial, &admin);
	if (js_ConsumerNames(&names, admin.js, admin.stream, NULL, NULL) == NATS_OK)
		n = (size_t)names->Count;
	for (size_t i = 0; forget && i < n; i++)
		expect(trial, js_DeleteConsumer(admin.js, admin.stream, names->List[i], NULL, NULL) == NATS_OK, "it stays");
	jsConsumerNamesList_Destroy(names);
	admin_close(&admin);
	return n;
}

static void small_messages_are_read_many_at_a_time(struct trial *trial) {
	struct client *writer = open_device(trial, 0), *reader = open_device(trial, 0);
	struct history history = { 0 };
	struct backend_point head = { 0 }, at = { 0 };
	struct page page;
	bool more = true;

	for (size_t i = 0; i < 2000; i++) {
		history_add_unit(trial, &history, 1, 100);
		head = client_push_all(writer, &history, i, &head);
	}
	for (size_t round = 0; more; round++) {
		page = client_pull(reader, &(struct ask){ .after = &at, .events_max = 100 });
		page_expect(trial, &page, &history, at.global);
		expect(trial, page.n == 100 || !page.more, "a page held %zu events", page.n);
		at = page.end;
		more = page.more;
		page_finish(&page);
		/* Meanwhile the log grows; and the server forgets what it was reading for us. */
		if (more && round % 4 == 1) {
			history_add_unit(trial, &history, 1, 100);
			head = client_push_all(writer, &history, history.n - 1, &head);
		}
		if (more && round == 6)
			expect(trial, count_consumers(trial, true) == 1, "it does not read ahead");
	}
	expect(trial, at.global == history.n, "the log ended at e%" PRIu64, at.global);
	expect(trial, count_consumers(trial, false) == 0, "a consumer was left behind");
	/* From the middle, by a cursor that the reader is not at. */
	struct backend_point middle = history_point(&history, 1000);
	client_expect_log(reader, &history, &middle);
	history_finish(&history);
}

const struct story stories_of_streams[] = {
	{ .name = "small messages are read many at a time", .run = small_messages_are_read_many_at_a_time },
	{ .name = "the stream keeps what it is given", .run = the_stream_keeps_what_it_is_given },
	{ .name = "names of any characters are logs of their own", .run = names_of_any_characters_are_logs_of_their_own },
	{ .name = "streams of another kind are left alone", .run = streams_of_another_kind_are_left_alone },
	{ .name = "first messages of others are no header record", .run = first_messages_of_others_are_no_header_record },
	{ .name = "damaged messages are named and give nothing", .run = damaged_messages_are_named_and_give_nothing },
	{ .name = "a message out of place is not taken", .run = a_message_out_of_place_is_not_taken },
	{ .name = "a stream that was made anew is another one", .run = a_stream_that_was_made_anew_is_another_one },
	{ .name = "a stream that was taken away is made anew", .run = a_stream_that_was_taken_away_is_made_anew },
	{ .name = "a full server says so and keeps what it has", .run = a_full_server_says_so_and_keeps_what_it_has },
	{ .name = "a silent server is not waited for for ever", .run = a_silent_server_is_not_waited_for_for_ever },
	{ 0 },
};
