/*
 * The stream of a log: found or made, looked at, and given its header record.
 *
 * All of it may be done by several leaders at once: the same stream is made once,
 * and of two header records the expected sequence lets one in. In a cluster much
 * of it takes a while until a leader has been elected; it is tried again until
 * the time is over.
 */

#include <inttypes.h>
#include <string.h>

#include "nats/jetstream.h"

#define PAUSE_MS 200
#define UNANSWERED_MAX 5 /* a server that is ending stops its JetStream before its connections */
#define DESCRIPTION "leaderd event log, format 1"

static const char *other_kind(const jsStreamInfo *info, const struct nats_place *place) {
	const jsStreamConfig *config = info->Config;

	if (config == NULL)
		return "does not tell how it is configured";
	if (config->SubjectsLen != 1 || strcmp(config->Subjects[0], place->subject) != 0 || config->Mirror != NULL ||
	    config->SourcesLen > 0)
		return "has other subjects";
	if (config->Storage != js_FileStorage)
		return "keeps its messages in memory only";
	if (config->Retention != js_LimitsPolicy || config->MaxAge > 0 || config->MaxMsgsPerSubject > 0 ||
	    ((config->MaxMsgs > 0 || config->MaxBytes > 0) && config->Discard != js_DiscardNew))
		return "drops old messages";
	if (config->Sealed || config->NoAck || config->AllowRollup)
		return "is sealed, does not acknowledge, or allows roll-ups";
	return NULL;
}

/* 1: it is there, and is a log's; 0: it is not. */
static int find(struct nats_backend *backend, uint64_t *ret_last, struct error *error) {
	jsStreamInfo *info = NULL;
	const char *other;
	jsErrCode code = 0;
	jsOptions options;
	int r = server_options(backend, NATS_TRY_MS, &options, error);

	if (r < 0)
		return r;
	natsStatus s = js_GetStreamInfo(&info, backend->js, backend->place.stream, &options, &code);
	if (code == JSStreamNotFoundErr)
		return 0;
	if (s != NATS_OK)
		return server_failed(backend, "look at", s, code, error);
	r = 1;
	other = other_kind(info, &backend->place);
	if (other != NULL)
		r = error_set(error, ERROR_CONFLICT, "stream %s is no log of ours: it %s", backend->place.stream, other);
	else if (info->State.LastSeq > 0 && (info->State.FirstSeq != 1 || info->State.NumDeleted > 0))
		r = error_set(error, ERROR_CORRUPT, "messages were taken out of stream %s", backend->place.stream);
	if (r == 1) {
		backend->created = info->Created;
		backend->replicated = info->Config->Replicas > 1;
		backend->republished = info->Config->RePublish != NULL;
		*ret_last = info->State.LastSeq;
	}
	jsStreamInfo_Destroy(info);
	return r;
}

/* 1: someone else's is there, which may be the same one, made just now. */
static int make(struct nats_backend *backend, struct error *error) {
	const struct nats_place *place = &backend->place;
	const char *subjects[] = { place->subject };
	jsRePublish republish;
	jsStreamConfig config;
	jsErrCode code = 0;
	jsOptions options;
	int r = server_options(backend, NATS_TRY_MS, &options, error);

	if (r < 0)
		return r;
	jsStreamConfig_Init(&config);
	jsRePublish_Init(&republish);
	republish.Source = place->subject;
	republish.Destination = place->live_subject;
	republish.HeadersOnly = true;
	config.Name = place->stream;
	config.Description = DESCRIPTION;
	config.Subjects = subjects;
	config.SubjectsLen = 1;
	config.Retention = js_LimitsPolicy;
	config.Discard = js_DiscardNew;
	config.Storage = js_FileStorage;
	config.Replicas = place->replicas;
	config.Duplicates = NATS_DUPLICATES_NS;
	config.DenyDelete = true;
	config.DenyPurge = true;
	config.RePublish = &republish;
	natsStatus s = js_AddStream(NULL, backend->js, &config, &options, &code);
	if (s == NATS_OK)
		return 0;
	r = server_failed(backend, "make", s, code, error);
	return code == JSStreamNameExistErr || code == JSStreamSubjectOverlapErr ? 1 : r;
}

/* The first message, whoever's it is. */
static int write_header(struct nats_backend *backend, const struct adapter_open *open, struct error *error) {
	natsMsg *message;
	int r = message_make_header(&message, &backend->place, open, error);

	if (r < 0)
		return r;
	r = server_publish(backend, message, 0, error);
	natsMsg_Destroy(message);
	if (r == SERVER_LATER)
		return error_set(error, ERROR_NOT_RUNNING, "stream %s has no leader yet", backend->place.stream);
	return r < 0 ? r : 0;
}

static int read_header(struct nats_backend *backend, struct adapter_opened *ret, struct error *error) {
	natsMsg *message;
	int r = server_get(backend, 1, &message, error);

	if (r == ERROR_CORRUPT && backend->replicated) /* a new leader may not have it yet */
		return ERROR_NOT_RUNNING;
	if (r < 0)
		return r;
	r = message_read_header(message, &backend->place, ret, error);
	natsMsg_Destroy(message);
	return r;
}

static int make_and_find(struct nats_backend *backend, uint64_t *ret_last, struct error *error) {
	int made = make(backend, error), r = made;

	if (made >= 0)
		r = find(backend, ret_last, error);
	if (made == 1 && r == 0) {
		nats_Sleep(PAUSE_MS);
		r = find(backend, ret_last, error);
	}
	if (r != 0)
		return r;
	if (made == 1)
		return error_set(error, ERROR_CONFLICT, "another stream than %s has the subject %s", backend->place.stream,
		                 backend->place.subject);
	return error_set(error, ERROR_NOT_RUNNING, "stream %s was made and is not there", backend->place.stream);
}

static int find_or_make(struct nats_backend *backend, const struct adapter_open *open, struct adapter_opened *ret,
                        struct error *error) {
	uint64_t last = 0;
	int r = find(backend, &last, error);

	/* A cluster's new leader may not know yet what there is. A stream that we have seen is asked for twice. */
	if (r == 0 && open->lineage != NULL && server_left_ms(backend, NATS_CALL_MS) > 2 * PAUSE_MS) {
		nats_Sleep(2 * PAUSE_MS);
		r = find(backend, &last, error);
	}
	if (r == 0)
		r = make_and_find(backend, &last, error);
	if (r == 1)
		r = last == 0 ? write_header(backend, open, error) : 0;
	return r < 0 ? r : read_header(backend, ret, error);
}

/* Worth another try. A server on its own is asked again only while it may be on its way out. */
static bool is_passing(const struct nats_backend *backend, int r, int n_unanswered) {
	bool alone = backend->place.n_servers == 1 && backend->place.replicas == 1;

	if ((r != ERROR_NOT_RUNNING && r != ERROR_TIMEOUT) || signal_is_closed(backend->signal) ||
	    server_left_ms(backend, NATS_CALL_MS) <= PAUSE_MS)
		return false;
	return !alone || (backend->unanswered && n_unanswered <= UNANSWERED_MAX);
}

int stream_open(struct nats_backend *backend, const struct adapter_open *open, struct adapter_opened *ret,
                struct error *error) {
	int r, n_unanswered = 0;

	for (;;) {
		backend->unanswered = false;
		r = find_or_make(backend, open, ret, error);
		n_unanswered = backend->unanswered ? n_unanswered + 1 : 0;
		if (!is_passing(backend, r, n_unanswered))
			break;
		nats_Sleep(PAUSE_MS);
	}
	if (n_unanswered > UNANSWERED_MAX && !signal_is_closed(backend->signal))
		return error_set(error, ERROR_INVALID, "%s has no JetStream, or none for this user", backend->place.servers[0]);
	return r;
}
