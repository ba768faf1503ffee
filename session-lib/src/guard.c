/*
 * The guard at every public function: is the handle open, in the process that
 * opened it, and is the call allowed here? A child of fork() would otherwise be
 * a second writer under the same id, on the same socket.
 */

#include "session.h"

#include <assert.h>
#include <stdio.h>
#include <unistd.h>

static_assert(LDS_INVALID == (int)ERROR_INVALID && LDS_NO_MEMORY == (int)ERROR_NO_MEMORY, "one list of codes");
static_assert(LDS_IO == (int)ERROR_IO && LDS_FULL == (int)ERROR_FULL, "one list of codes");
static_assert(LDS_REFUSED == (int)ERROR_REFUSED && LDS_NOT_FOUND == (int)ERROR_NOT_FOUND, "one list of codes");
static_assert(LDS_CONFLICT == (int)ERROR_CONFLICT && LDS_CORRUPT == (int)ERROR_CORRUPT, "one list of codes");
static_assert(LDS_PROTOCOL == (int)ERROR_PROTOCOL && LDS_SCHEMA == (int)ERROR_SCHEMA, "one list of codes");
static_assert(LDS_TOO_LARGE == (int)ERROR_TOO_LARGE && LDS_NOT_RUNNING == (int)ERROR_NOT_RUNNING, "one list of codes");
static_assert(LDS_TIMEOUT == (int)ERROR_TIMEOUT && LDS_UNKNOWN == (int)ERROR_UNKNOWN, "one list of codes");
static_assert(LDS_NO_BACKEND == (int)ERROR_NO_BACKEND && LDS_HOLD == (int)ERROR_HOLD, "one list of codes");
static_assert(LDS_VERSION == (int)ERROR_VERSION && LDS_PERMISSION == (int)ERROR_PERMISSION, "one list of codes");
static_assert(LDS_BUSY == (int)ERROR_BUSY && LDS_BUSY == (int)ERROR_LAST, "one list of codes");

int session_enter(const struct lds_session *session) {
	if (!session || session->magic != SESSION_MAGIC || session->pid != getpid())
		return LDS_INVALID;
	return 0;
}

int session_enter_outside(const struct lds_session *session) {
	if (session_enter(session) < 0)
		return LDS_INVALID;
	return session->calling > 0 ? LDS_INVALID : 0;
}

int session_fail(struct lds_session *session, int code, const char *format, ...) {
	char text[sizeof(session->error.text)];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return error_set(&session->error, code, "%s", text);
}
