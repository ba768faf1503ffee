/*
 * Messages by sequence. One or two are asked for one by one; for more there is a
 * consumer, which gives many in one round trip. It is the server's, may vanish
 * with it at any time, and is then done without: what it gives is looked at, and
 * what it does not give is asked for.
 */

#include <string.h>

#include "nats/jetstream.h"

#define CONSUMER_WORTH 4             /* messages for which a consumer pays */
#define CONSUMER_PAUSE_US 10000000   /* after one that could not be made, or gave nothing */
#define CONSUMER_IDLE_NS 30000000000 /* after which the server forgets one */

static void drop_fetched(struct nats_reader *reader) {
	natsMsgList_Destroy(&reader->fetched);
	memset(&reader->fetched, 0, sizeof(reader->fetched));
	reader->n_taken = 0;
}

void reader_rest(struct nats_reader *reader) {
	drop_fetched(reader);
	if (reader->consumer != NULL)
		natsSubscription_Unsubscribe(reader->consumer);
	natsSubscription_Destroy(reader->consumer);
	reader->consumer = NULL;
}

void reader_finish(struct nats_reader *reader) {
	reader_rest(reader);
	natsMsg_Destroy(reader->message);
	*reader = (struct nats_reader){ 0 };
}

static void keep(struct nats_reader *reader, natsMsg *message, uint64_t sequence) {
	natsMsg_Destroy(reader->message);
	reader->message = message;
	reader->sequence = sequence;
}

static uint64_t sequence_of(natsMsg *message) {
	jsMsgMetaData *data = NULL;
	uint64_t sequence = 0;

	if (natsMsg_GetMetaData(&data, message) == NATS_OK)
		sequence = data->Sequence.Stream;
	jsMsgMetaData_Destroy(data);
	return sequence;
}

/* True: it was the next that has been fetched. Who asks for another one in between does not disturb the rest. */
static bool take_fetched(struct nats_reader *reader, uint64_t sequence) {
	natsMsg **slot;

	if (reader->n_taken == reader->fetched.Count)
		return false;
	slot = &reader->fetched.Msgs[reader->n_taken];
	if (sequence_of(*slot) != sequence)
		return false;
	keep(reader, *slot, sequence);
	*slot = NULL;
	reader->n_taken++;
	return true;
}

/* Nobody answers for a consumer that is gone. */
static void fetch(struct nats_backend *backend) {
	struct nats_reader *reader = &backend->reader;
	int64_t wait_ms = server_left_ms(backend, NATS_TRY_MS);
	jsFetchRequest request;

	drop_fetched(reader);
	jsFetchRequest_Init(&request);
	request.Batch = NATS_FETCH_MESSAGES;
	request.MaxBytes = NATS_FETCH_BYTES;
	request.NoWait = true;
	request.Expires = wait_ms * 1000000;
	if (wait_ms > 0 && natsSubscription_FetchRequest(&reader->fetched, reader->consumer, &request) != NATS_OK)
		memset(&reader->fetched, 0, sizeof(reader->fetched));
	reader->next += (uint64_t)reader->fetched.Count;
}

static void make_consumer(struct nats_backend *backend, uint64_t sequence) {
	struct nats_reader *reader = &backend->reader;
	jsSubOptions options;
	jsOptions request;

	reader_rest(reader);
	if (server_options(backend, NATS_TRY_MS, &request, NULL) < 0)
		return;
	jsSubOptions_Init(&options);
	options.Stream = backend->place.stream;
	options.Config.AckPolicy = js_AckNone;
	options.Config.OptStartSeq = sequence;
	options.Config.InactiveThreshold = CONSUMER_IDLE_NS;
	options.Config.MemoryStorage = true;
	options.Config.Replicas = 1;
	reader->next = sequence;
	if (js_PullSubscribe(&reader->consumer, backend->js, backend->place.subject, NULL, &request, &options, NULL) !=
	    NATS_OK)
		reader->consumer = NULL;
}

static bool read_ahead(struct nats_backend *backend, uint64_t sequence, uint64_t until) {
	struct nats_reader *reader = &backend->reader;

	if (take_fetched(reader, sequence))
		return true;
	if (reader->consumer == NULL || reader->next != sequence) {
		if (until < sequence + CONSUMER_WORTH || server_now_us() < reader->without_until_us)
			return false;
		make_consumer(backend, sequence);
	}
	if (reader->consumer != NULL)
		fetch(backend);
	if (take_fetched(reader, sequence))
		return true;
	/* A cluster can have a leader for the stream and none that makes consumers: not asked for each message. */
	reader->without_until_us = server_now_us() + CONSUMER_PAUSE_US;
	reader_rest(reader);
	return false;
}

int reader_get(struct nats_backend *backend, uint64_t sequence, uint64_t until, natsMsg **ret, struct error *error) {
	struct nats_reader *reader = &backend->reader;
	natsMsg *message;

	if ((reader->message == NULL || reader->sequence != sequence) && !read_ahead(backend, sequence, until)) {
		int r = server_get(backend, sequence, &message, error);

		if (r < 0)
			return r;
		keep(reader, message, sequence);
	}
	*ret = reader->message;
	return 0;
}
