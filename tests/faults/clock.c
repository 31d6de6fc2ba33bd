/* Has libfaketime see how librdkafka waits.
 *
 * librdkafka waits by cnd_timedwait up to a time of the wall clock. The C library's own calls pthread_cond_timedwait
 * inside of it, where libfaketime cannot take its place: a wait of a millisecond would last an hour and a millisecond
 * for as long as the clock is an hour ahead, which no real clock does. */
#include <errno.h>
#include <pthread.h>
#include <threads.h>

int cnd_timedwait(cnd_t *cond, mtx_t *mutex, const struct timespec *until) {
    switch (pthread_cond_timedwait((pthread_cond_t *)cond, (pthread_mutex_t *)mutex, until)) {
    case 0:
        return thrd_success;
    case ETIMEDOUT:
        return thrd_timedout;
    default:
        return thrd_error;
    }
}
