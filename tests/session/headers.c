/* The public headers come first and alone: C99, or C++. */

#ifdef HEADER_ADMIN
#include <leaderd/admin.h>
#else
#include <leaderd/session.h>
#endif

int main(void) {
	return 0;
}
