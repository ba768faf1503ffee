// The headers are C++ as well, and what they declare is found by its C name.

#include <leaderd/admin.h>
#include <leaderd/session.h>

#include <cstdio>
#include <cstring>

int main() {
	lds_position position;
	char text[LDS_POSITION_TEXT_BYTES];
	char socket[4096];

	if (lds_position_parse(&position, "e5.1") != 0)
		return 1;
	lds_position_print(text, position);
	if (lda_default_socket(socket, sizeof(socket)) != 0)
		return 1;
	std::printf("%s, %s, %s\n", lds_version(), text, lds_code_name(LDS_REFUSED));
	return std::strlen(socket) == 0;
}
