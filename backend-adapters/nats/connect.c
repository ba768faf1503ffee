/*
 * Opening and closing. The connection is never made anew behind our back: with
 * it went whatever was known of the log, so its end is the end of the backend,
 * and the leader opens again.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nats/jetstream.h"
#include "proto/backend_wire.h"

#define PING_INTERVAL_MS 10000 /* two without an answer, and a peer that fell silent is gone */
#define PINGS_MAX 2
#define WRITE_MS 10000 /* a server that takes no bytes for so long */

/* The library's threads write to the signal until they have ended, and it alone knows when that is. */
void nats_close(void *data) {
	struct nats_backend *backend = data;

	if (backend == NULL)
		return;
	reader_finish(&backend->reader);
	live_end(backend);
	jsCtx_Destroy(backend->js);
	natsConnection_Destroy(backend->connection);
	/* A thread that has not ended by then keeps the signal: a few bytes and a descriptor are lost. */
	if (nats_CloseAndWait(NATS_CLOSE_MS) != NATS_TIMEOUT)
		signal_destroy(backend->signal);
	place_finish(&backend->place);
	free(backend);
}

static int options_failed(const char *what, natsStatus status, struct error *error) {
	char text[256];

	if (status == NATS_NO_MEMORY)
		return error_no_memory(error);
	server_last_text(text, sizeof(text));
	return error_set(error, ERROR_INVALID, "%s: %s (%s)", what, natsStatus_GetText(status), text);
}

static natsStatus apply_general(const struct nats_place *place, const char *client_id, natsOptions *options) {
	char name[64 + CLIENT_ID_BYTES];
	natsStatus s = natsOptions_SetServers(options, (const char **)place->servers, (int)place->n_servers);

	if (s == NATS_OK)
		s = natsOptions_SetTimeout(options, NATS_CONNECT_MS);
	if (s == NATS_OK)
		s = natsOptions_SetAllowReconnect(options, false);
	if (s == NATS_OK)
		s = natsOptions_SetFailRequestsOnDisconnect(options, true);
	if (s == NATS_OK)
		s = natsOptions_SetPingInterval(options, PING_INTERVAL_MS);
	if (s == NATS_OK)
		s = natsOptions_SetMaxPingsOut(options, PINGS_MAX);
	if (s == NATS_OK)
		s = natsOptions_SetWriteDeadline(options, WRITE_MS);
	/* The name goes into a JSON text as it is. */
	if (s == NATS_OK && session_id_is_valid(client_id)) {
		snprintf(name, sizeof(name), "leaderd-backend-nats %.*s", (int)CLIENT_ID_BYTES, client_id);
		s = natsOptions_SetName(options, name);
	}
	return s;
}

static int apply_tls(const struct nats_place *place, natsOptions *options, struct error *error) {
	natsStatus s;

	if (!place->tls)
		return 0;
	s = natsOptions_SetSecure(options, true);
	if (s != NATS_OK)
		return options_failed("cannot use TLS", s, error);
	if (place->ca != NULL)
		s = natsOptions_LoadCATrustedCertificates(options, place->ca);
	if (s != NATS_OK)
		return options_failed("cannot use the certificates that ca= names", s, error);
	if (place->cert != NULL)
		s = natsOptions_LoadCertificatesChain(options, place->cert, place->key);
	return s == NATS_OK ? 0 : options_failed("cannot use the certificate that cert= and key= name", s, error);
}

static int apply_passfile(const struct nats_place *place, natsOptions *options, struct error *error) {
	char *user = NULL, *password = NULL;
	int r = place_read_passfile(place, &user, &password, error);
	natsStatus s;

	if (r < 0)
		return r;
	s = password == NULL ? natsOptions_SetToken(options, user) : natsOptions_SetUserInfo(options, user, password);
	explicit_bzero(user, strlen(user));
	if (password != NULL)
		explicit_bzero(password, strlen(password));
	free(user);
	free(password);
	return s == NATS_OK ? 0 : options_failed("cannot use the passfile", s, error);
}

static int apply_credentials(const struct nats_place *place, natsOptions *options, struct error *error) {
	natsStatus s = NATS_OK;
	int r = 0;

	if (place->key != NULL)
		r = place_check_secret(place->key, error);
	if (r == 0 && place->passfile != NULL)
		r = apply_passfile(place, options, error);
	if (r == 0 && place->creds != NULL) {
		r = place_check_secret(place->creds, error);
		if (r == 0)
			s = natsOptions_SetUserCredentialsFromFiles(options, place->creds, NULL);
	}
	return s == NATS_OK ? r : options_failed("cannot use the credentials file", s, error);
}

/* What of TLS only a person can mend, and what was the network. */
static bool is_about_certificates(const char *text) {
	return strstr(text, "certificate") != NULL || strstr(text, "verify") != NULL || strstr(text, "hostname") != NULL;
}

static int connect_failed(const struct nats_place *place, natsStatus status, struct error *error) {
	const char *server = place->servers[0];
	const char *others = place->n_servers > 1 ? " or the others" : "";
	char text[256];

	server_last_text(text, sizeof(text));
	if (place->creds != NULL && strstr(text, place->creds) != NULL)
		return error_set(error, ERROR_INVALID, "cannot use the credentials file: %s", text);
	switch (status) {
	case NATS_NO_MEMORY:
		return error_no_memory(error);
	case NATS_CONNECTION_AUTH_FAILED:
		return error_set(error, ERROR_PERMISSION, "%s refused the credentials: %s", server, text);
	case NATS_SECURE_CONNECTION_WANTED:
		return error_set(error, ERROR_INVALID, "%s has no TLS; tls=off in the URL does without", server);
	case NATS_SSL_ERROR:
		if (is_about_certificates(text))
			return error_set(error, ERROR_PERMISSION, "no trust between us and %s: %s", server, text);
		break;
	case NATS_TIMEOUT:
		return error_set(error, ERROR_TIMEOUT, "%s%s did not answer in time", server, others);
	default:
		break;
	}
	return error_set(error, ERROR_NOT_RUNNING, "cannot connect to %s%s: %s", server, others,
	                 text[0] == '\0' ? natsStatus_GetText(status) : text);
}

static int make_connection(struct nats_backend *backend, const char *client_id, struct error *error) {
	const struct nats_place *place = &backend->place;
	natsOptions *options = NULL;
	natsStatus s = natsOptions_Create(&options);
	int r = 0;

	if (s == NATS_OK)
		s = apply_general(place, client_id, options);
	if (s != NATS_OK)
		r = options_failed("cannot prepare the connection", s, error);
	if (r == 0)
		r = apply_credentials(place, options, error);
	if (r == 0)
		r = apply_tls(place, options, error);
	if (r == 0)
		r = signal_connect(backend->signal, options, error);
	if (r == 0) {
		s = natsConnection_Connect(&backend->connection, options);
		if (s != NATS_OK)
			r = connect_failed(place, s, error);
	}
	natsOptions_Destroy(options);
	return r;
}

static int make_context(struct nats_backend *backend, struct error *error) {
	jsOptions options;
	natsStatus s = jsOptions_Init(&options);

	if (s == NATS_OK) {
		options.Wait = NATS_FORGET_MS; /* all others say their own */
		s = natsConnection_JetStream(&backend->js, backend->connection, &options);
	}
	return s == NATS_OK ? 0 : server_failed(backend, "use JetStream", s, 0, error);
}

/* Events and their prefixes must leave room for the headers in one message. */
static int set_limits(const struct nats_backend *backend, struct adapter_opened *ret, struct error *error) {
	int64_t payload = natsConnection_GetMaxPayload(backend->connection);
	uint64_t reserved = NATS_HEADERS_BYTES;

	ret->batch_events_max = payload >= 1024 * 1024 ? BACKEND_BATCH_EVENTS_MAX : UNIT_EVENTS_MAX;
	reserved += NATS_EVENT_PREFIX_BYTES * (uint64_t)ret->batch_events_max;
	if (payload < (int64_t)(reserved + NATS_BATCH_BYTES_MIN))
		return error_set(error, ERROR_INVALID,
		                 "the server takes messages of at most %lld bytes (max_payload), too "
		                 "little for a log",
		                 (long long)payload);
	ret->batch_bytes_max = (uint64_t)payload - reserved;
	if (ret->batch_bytes_max > BACKEND_BATCH_BYTES_MAX)
		ret->batch_bytes_max = BACKEND_BATCH_BYTES_MAX;
	ret->event_bytes_max = ret->batch_bytes_max;
	return 0;
}

static int open_log(struct nats_backend *backend, const struct adapter_open *open, struct adapter_opened *ret,
                    struct error *error) {
	int r = make_connection(backend, open->client_id, error);

	if (r == 0)
		r = make_context(backend, error);
	if (r == 0)
		r = set_limits(backend, ret, error);
	if (r == 0)
		r = stream_open(backend, open, ret, error);
	if (r == 0)
		r = log_refresh(backend, error);
	if (r == 0)
		log_point(&ret->head, &backend->head);
	return r;
}

int nats_open(void **ret_backend, const struct adapter_open *open, struct adapter_opened *ret, struct error *error) {
	struct nats_backend *backend = calloc(1, sizeof(*backend));
	struct adapter_opened opened = { 0 };
	int r;

	if (backend == NULL)
		return error_no_memory(error);
	server_begin(backend);
	r = place_parse(&backend->place, open, error);
	if (r == 0)
		r = signal_create(&backend->signal, backend->place.live_subject, error);
	if (r == 0)
		r = open_log(backend, open, &opened, error);
	if (r < 0) {
		nats_close(backend);
		return r;
	}
	opened.live = live_subscribe(backend);
	*ret = opened;
	*ret_backend = backend;
	return 0;
}
