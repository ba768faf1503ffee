/*
 * What an adapter asks of its URL: the value of a query parameter, and the
 * name of the log there.
 */

#include <stdlib.h>
#include <string.h>

#include "runtime/adapter.h"

/* %XX becomes its byte; what is no such thing, and %00, stays as it stands. */
static char *decode(const char *text, size_t n) {
	char *ret = malloc(n + 1);
	size_t at = 0;

	if (ret == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		char digits[3] = { 0 };
		uint8_t byte;

		if (text[i] == '%' && n - i >= 3)
			memcpy(digits, text + i + 1, 2);
		if (digits[0] != '\0' && hex_parse(&byte, 1, digits) && byte != 0) {
			ret[at++] = (char)byte;
			i += 2;
		} else {
			ret[at++] = text[i];
		}
	}
	ret[at] = '\0';
	return ret;
}

char *adapter_url_path(const char *url, const char *scheme) {
	size_t n = strlen(scheme);

	if (strncmp(url, scheme, n) != 0 || url[n] != ':')
		return NULL;
	return decode(url + n + 1, strcspn(url + n + 1, "?#"));
}

/* Undecoded; NULL if absent. */
static const char *find_parameter(const char *url, const char *name, size_t *ret_n) {
	const char *at = url + strcspn(url, "?#");
	size_t n_name = strlen(name);

	while (*at == '?' || *at == '&') {
		size_t n = strcspn(at + 1, "&#");

		if (n > n_name && strncmp(at + 1, name, n_name) == 0 && at[1 + n_name] == '=') {
			*ret_n = n - n_name - 1;
			return at + 2 + n_name;
		}
		at += 1 + n;
	}
	return NULL;
}

char *adapter_url_parameter(const char *url, const char *name) {
	size_t n;
	const char *value = find_parameter(url, name, &n);

	return value == NULL ? NULL : decode(value, n);
}

/* Lack of memory must not lead to the log of another name. */
char *adapter_log_name(const struct adapter_open *open) {
	size_t n;
	const char *value = find_parameter(open->url, "store", &n);

	return value == NULL ? strdup(open->store) : decode(value, n);
}
