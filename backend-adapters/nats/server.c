/*
 * Requests to JetStream: each within the time that the operation has left, its
 * failures as ours.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "nats/jetstream.h"

#define EXPECTED_SEQUENCE "Nats-Expected-Last-Sequence"
#define NEVER "4611686018427387904" /* a sequence that no stream reaches */

int64_t server_now_us(void) {
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void server_begin(struct nats_backend *backend) {
	backend->deadline_us = server_now_us() + (int64_t)NATS_CALL_MS * 1000;
}

int64_t server_left_ms(const struct nats_backend *backend, int64_t most_ms) {
	int64_t left_ms = (backend->deadline_us - server_now_us()) / 1000;

	if (left_ms < 0)
		return 0;
	return left_ms < most_ms ? left_ms : most_ms;
}

/* Fit for a line, and without the place in the library's source that stands before it. */
void server_last_text(char *ret, size_t n) {
	const char *text = nats_GetLastError(NULL);
	const char *end = text != NULL && text[0] == '(' ? strstr(text, "): ") : NULL;

	snprintf(ret, n, "%s", text == NULL ? "" : end == NULL ? text : end + 3);
	text_make_line(ret);
}

static int code_of_jetstream(jsErrCode code) {
	switch (code) {
	case JSNotEnabledErr:
	case JSNotEnabledForAccountErr:
	case JSClusterNotAvailErr:
	case JSClusterNotLeaderErr:
	case JSClusterNoPeersErr:
	case JSClusterNotAssignedErr:
	case JSClusterIncompleteErr:
	case JSRaftGeneralErr:
	case JSStreamOfflineErr:
	case JSStreamNotFoundErr:
		return ERROR_NOT_RUNNING;
	case JSAccountResourcesExceededErr:
	case JSInsufficientResourcesErr:
	case JSMemoryResourcesExceededErr:
	case JSStorageResourcesExceededErr:
	case JSStreamStoreFailedErr:
	case JSMaximumStreamsLimitErr:
	case JSStreamMaxStreamBytesExceededErr:
	case JSNoLimitsErr:
		return ERROR_FULL;
	case JSStreamReplicasNotSupportedErr:
	case JSStreamInvalidConfig:
	case JSStreamMaxBytesRequiredErr:
		return ERROR_INVALID;
	case JSStreamNameExistErr:
	case JSStreamSubjectOverlapErr:
	case JSStreamNotMatchErr:
	case JSStreamSealedErr:
		return ERROR_CONFLICT;
	case JSStreamMessageExceedsMaximumErr:
		return ERROR_TOO_LARGE;
	default:
		return ERROR_IO;
	}
}

static int code_of_status(const struct nats_backend *backend, natsStatus status) {
	switch (status) {
	case NATS_NO_MEMORY:
		return ERROR_NO_MEMORY;
	case NATS_CONNECTION_AUTH_FAILED:
	case NATS_NOT_PERMITTED:
		return ERROR_PERMISSION;
	case NATS_TIMEOUT:
		if (signal_is_denied(backend->signal))
			return ERROR_PERMISSION;
		return signal_is_closed(backend->signal) ? ERROR_NOT_RUNNING : ERROR_TIMEOUT;
	case NATS_NO_RESPONDERS:
	case NATS_CONNECTION_CLOSED:
	case NATS_CONNECTION_DISCONNECTED:
	case NATS_STALE_CONNECTION:
	case NATS_NO_SERVER:
	case NATS_IO_ERROR:
	case NATS_DRAINING:
		return ERROR_NOT_RUNNING;
	case NATS_MAX_PAYLOAD:
		return ERROR_TOO_LARGE;
	default:
		return signal_is_closed(backend->signal) ? ERROR_NOT_RUNNING : ERROR_IO;
	}
}

int server_failed(struct nats_backend *backend, const char *what, natsStatus status, jsErrCode code,
                  struct error *error) {
	const char *stream = backend->place.stream;
	int r = code != 0 ? code_of_jetstream(code) : code_of_status(backend, status);
	const char *cause = NULL;
	char text[200];

	backend->unanswered = status == NATS_NO_RESPONDERS || code == JSNotEnabledErr || code == JSNotEnabledForAccountErr;
	if (r == ERROR_NO_MEMORY)
		return error_no_memory(error);
	if (backend->unanswered)
		cause = "no server with JetStream answered";
	else if (r == ERROR_PERMISSION)
		natsConnection_GetLastError(backend->connection, &cause);
	if (cause == NULL)
		server_last_text(text, sizeof(text));
	else
		snprintf(text, sizeof(text), "%s", cause);
	text_make_line(text);
	return error_set(error, r, "cannot %s stream %s: %s", what, stream,
	                 text[0] == '\0' ? natsStatus_GetText(status) : text);
}

int server_options(const struct nats_backend *backend, int64_t most_ms, jsOptions *ret, struct error *error) {
	int64_t wait_ms = server_left_ms(backend, most_ms);

	if (wait_ms == 0)
		return error_set(error, ERROR_TIMEOUT, "the server took too long");
	jsOptions_Init(ret);
	ret->Wait = wait_ms;
	return 0;
}

int server_look(struct nats_backend *backend, struct server_state *ret, struct error *error) {
	jsStreamInfo *info = NULL;
	jsErrCode code = 0;
	jsOptions options;
	int r = server_options(backend, NATS_REQUEST_MS, &options, error);

	if (r < 0)
		return r;
	natsStatus s = js_GetStreamInfo(&info, backend->js, backend->place.stream, &options, &code);
	if (s != NATS_OK)
		return server_failed(backend, "look at", s, code, error);
	*ret = (struct server_state){
		.first = info->State.FirstSeq,
		.last = info->State.LastSeq,
		.created = info->Created,
	};
	jsStreamInfo_Destroy(info);
	return 0;
}

int server_get(struct nats_backend *backend, uint64_t sequence, natsMsg **ret, struct error *error) {
	natsMsg *message = NULL;
	jsErrCode code = 0;
	jsOptions options;
	int r = server_options(backend, NATS_TRANSFER_MS, &options, error);

	if (r < 0)
		return r;
	natsStatus s = js_GetMsg(&message, backend->js, backend->place.stream, sequence, &options, &code);
	if (code == JSNoMessageFoundErr || (s == NATS_NOT_FOUND && code == 0))
		return error_set(error, ERROR_CORRUPT, "message %" PRIu64 " of stream %s is missing", sequence,
		                 backend->place.stream);
	if (s != NATS_OK)
		return server_failed(backend, "read", s, code, error);
	*ret = message;
	return 0;
}

/* A duplicate is a message that was stored before, or something that looks like it: whoever asked reads it. */
static int judge_acknowledgement(const struct nats_backend *backend, const jsPubAck *acknowledgement, uint64_t expected,
                                 struct error *error) {
	const char *stream = acknowledgement->Stream == NULL ? "" : acknowledgement->Stream;

	if (strcmp(stream, backend->place.stream) != 0)
		return error_set(error, ERROR_CONFLICT, "stream %.100s took what was meant for %s", stream,
		                 backend->place.stream);
	if (acknowledgement->Duplicate)
		return SERVER_OVERTAKEN;
	if (acknowledgement->Sequence != expected + 1)
		return error_set(error, ERROR_CORRUPT, "stream %s stored message %" PRIu64 " where %" PRIu64 " was expected",
		                 backend->place.stream, acknowledgement->Sequence, expected + 1);
	return SERVER_STORED;
}

int server_publish(struct nats_backend *backend, natsMsg *message, uint64_t expected, struct error *error) {
	jsPubAck *acknowledgement = NULL;
	jsPubOptions options;
	jsErrCode code = 0;
	char text[24];
	natsStatus s;
	int r;

	jsPubOptions_Init(&options);
	options.ExpectStream = backend->place.stream;
	options.MaxWait = server_left_ms(backend, NATS_TRANSFER_MS);
	if (options.MaxWait == 0)
		return error_set(error, ERROR_TIMEOUT, "the server took too long");
	/* By hand: the library's option knows no "0". */
	snprintf(text, sizeof(text), "%" PRIu64, expected);
	s = natsMsgHeader_Set(message, EXPECTED_SEQUENCE, text);
	if (s != NATS_OK)
		return message_failed(s, error);
	s = js_PublishMsg(&acknowledgement, backend->js, message, &options, &code);
	if (s == NATS_OK) {
		r = judge_acknowledgement(backend, acknowledgement, expected, error);
		jsPubAck_Destroy(acknowledgement);
		return r;
	}
	if (code == JSStreamWrongLastSequenceErr)
		return SERVER_OVERTAKEN;
	if (code == JSStreamSequenceNotMatchErr || code == JSClusterNotLeaderErr || (s == NATS_ERR && code == 0))
		return SERVER_LATER; /* between two of the stream's leaders */
	return server_failed(backend, "write to", s, code, error);
}

/*
 * In a cluster anyone may answer a question about a stream that has just lost its
 * leader, and a new leader may answer before it has applied what its predecessor
 * acknowledged. A message goes the way of all messages: once it was refused, the
 * one who refused it has applied those before it. This one is always refused.
 */
int server_settle(struct nats_backend *backend, struct error *error) {
	natsMsg *message = NULL;
	jsPubOptions options;
	jsErrCode code = 0;
	natsStatus s = NATS_OK;

	if (!backend->replicated)
		return 0;
	jsPubOptions_Init(&options);
	options.MaxWait = server_left_ms(backend, NATS_REQUEST_MS);
	if (options.MaxWait == 0)
		return error_set(error, ERROR_TIMEOUT, "the server took too long");
	s = natsMsg_Create(&message, backend->place.subject, NULL, "", 0);
	if (s == NATS_OK)
		s = natsMsgHeader_Set(message, EXPECTED_SEQUENCE, NEVER);
	if (s != NATS_OK) {
		natsMsg_Destroy(message);
		return message_failed(s, error);
	}
	s = js_PublishMsg(NULL, backend->js, message, &options, &code);
	natsMsg_Destroy(message);
	if (code == JSStreamWrongLastSequenceErr)
		return 0;
	if (s == NATS_OK)
		return error_set(error, ERROR_CORRUPT, "stream %s does not heed expected sequences", backend->place.stream);
	return server_failed(backend, "ask", s, code, error);
}
