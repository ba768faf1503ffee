/* The configuration file: taken, or refused with file, line and reason. */

#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "leaderd/src/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
	struct config config = { 0 };
	struct error error = { 0 };
	char path[FUZZ_PATH_BYTES];
	int fd = fuzz_file(data, n, path);
	int r = config_read(&config, path, &error);

	fuzz_expect_told(r, &error);
	fuzz_expect(r == 0 || r == ERROR_INVALID);
	if (r < 0)
		fuzz_expect(strncmp(error.text, path, strlen(path)) == 0 && error.text[strlen(path)] == ':');
	fuzz_expect(config.data_dir[0] == '\0' || config.data_dir[0] == '/');
	fuzz_expect(config.socket[0] == '\0' || config.socket[0] == '/');
	close(fd);
	return 0;
}
