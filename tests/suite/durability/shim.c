/* Preloaded into a process: writes down, in their order, the system calls by which it changes the
 * files in one folder. The calls go straight to the kernel, so nothing needs to be looked up.
 *
 * A record is {what, length of name, length of second name: u8; offset, length: u64}, the names
 * within the folder, and for a write its data. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char* folder;
static int log_fd = -1;
/* Held over a call and its record: the log has the order in which things happened. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
    folder = getenv("TEMPORAL_VDB_SHIM_FOLDER");
    const char* log = getenv("TEMPORAL_VDB_SHIM_LOG");
    if (folder && log) {
        log_fd =
            syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
}

/* The part of a path inside the folder, empty for the folder itself; NULL for one elsewhere. */
static const char* inside(const char* path) {
    if (log_fd < 0) return NULL;
    size_t length = strlen(folder);
    if (strncmp(path, folder, length) != 0) return NULL;
    if (path[length] == '/') return path + length + 1;
    return path[length] == 0 ? path + length : NULL;
}

static const char* inside_fd(int fd, char* path) {
    if (log_fd < 0) return NULL;
    char link[32] = "/proc/self/fd/";
    char digits[12];
    int n = 0, at = strlen(link);
    do digits[n++] = '0' + fd % 10;
    while (fd /= 10);
    while (n) link[at++] = digits[--n];
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length < 0) return NULL;
    path[length] = 0;
    return inside(path);
}

static void put_all(const void* data, size_t length) {
    for (size_t done = 0; done < length;) {
        ssize_t n = syscall(SYS_write, log_fd, (const char*)data + done, length - done);
        if (n < 0) abort();
        done += n;
    }
}

static void put(char what, const char* name, const char* other, uint64_t offset, const void* data,
                uint64_t length) {
    unsigned char head[19] = {what, strlen(name), strlen(other)};
    memcpy(head + 3, &offset, 8);
    memcpy(head + 11, &length, 8);
    put_all(head, sizeof head);
    put_all(name, head[1]);
    put_all(other, head[2]);
    if (data) put_all(data, length);
}

static int open_at(int at, const char* path, int flags, mode_t mode) {
    const char* name = at == AT_FDCWD || path[0] == '/' ? inside(path) : NULL;
    if (!name || !(flags & (O_CREAT | O_TRUNC))) return syscall(SYS_openat, at, path, flags, mode);
    pthread_mutex_lock(&turn);
    int there = syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0;
    int fd = syscall(SYS_openat, at, path, flags, mode);
    int error = errno;
    if (fd >= 0 && !there) put('c', name, "", 0, NULL, 0);
    if (fd >= 0 && there && flags & O_TRUNC) put('t', name, "", 0, NULL, 0);
    pthread_mutex_unlock(&turn);
    errno = error;
    return fd;
}

#define OPEN(function, at, ...)                 \
    int function(__VA_ARGS__, int flags, ...) { \
        mode_t mode = 0;                        \
        if (flags & (O_CREAT | O_TMPFILE)) {    \
            va_list arguments;                  \
            va_start(arguments, flags);         \
            mode = va_arg(arguments, mode_t);   \
            va_end(arguments);                  \
        }                                       \
        return open_at(at, path, flags, mode);  \
    }
OPEN(open, AT_FDCWD, const char* path)
OPEN(open64, AT_FDCWD, const char* path)
OPEN(openat, at, int at, const char* path)
OPEN(openat64, at, int at, const char* path)

ssize_t write(int fd, const void* data, size_t length) {
    char path[PATH_MAX];
    const char* name = inside_fd(fd, path);
    if (!name) return syscall(SYS_write, fd, data, length);
    pthread_mutex_lock(&turn);
    ssize_t done = syscall(SYS_write, fd, data, length);
    int error = errno;
    if (done > 0) {
        /* Behind what was written, also where that was appended. */
        uint64_t end = syscall(SYS_lseek, fd, 0, SEEK_CUR);
        put('w', name, "", end - done, data, done);
    }
    pthread_mutex_unlock(&turn);
    errno = error;
    return done;
}

static ssize_t write_at(int fd, const void* data, size_t length, off_t offset) {
    char path[PATH_MAX];
    const char* name = inside_fd(fd, path);
    if (!name) return syscall(SYS_pwrite64, fd, data, length, offset);
    pthread_mutex_lock(&turn);
    ssize_t done = syscall(SYS_pwrite64, fd, data, length, offset);
    int error = errno;
    if (done > 0) put('w', name, "", offset, data, done);
    pthread_mutex_unlock(&turn);
    errno = error;
    return done;
}

static int one(char what, int fd, long number, long argument) {
    char path[PATH_MAX];
    const char* name = inside_fd(fd, path);
    if (!name) return syscall(number, fd, argument);
    pthread_mutex_lock(&turn);
    int result = syscall(number, fd, argument);
    int error = errno;
    if (result == 0) put(what, name, "", argument, NULL, 0);
    pthread_mutex_unlock(&turn);
    errno = error;
    return result;
}

ssize_t pwrite(int fd, const void* data, size_t n, off_t at) { return write_at(fd, data, n, at); }
ssize_t pwrite64(int fd, const void* data, size_t n, off_t at) { return write_at(fd, data, n, at); }
int ftruncate(int fd, off_t length) { return one('t', fd, SYS_ftruncate, length); }
int ftruncate64(int fd, off_t length) { return one('t', fd, SYS_ftruncate, length); }
int fsync(int fd) { return one('s', fd, SYS_fsync, 0); }
int fdatasync(int fd) { return one('s', fd, SYS_fdatasync, 0); }

int rename(const char* from, const char* to) {
    const char *name = inside(from), *other = inside(to);
    pthread_mutex_lock(&turn);
    int result = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    int error = errno;
    if (result == 0 && name && other) put('r', name, other, 0, NULL, 0);
    pthread_mutex_unlock(&turn);
    errno = error;
    return result;
}

int unlink(const char* path) {
    const char* name = inside(path);
    pthread_mutex_lock(&turn);
    int result = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    int error = errno;
    if (result == 0 && name) put('u', name, "", 0, NULL, 0);
    pthread_mutex_unlock(&turn);
    errno = error;
    return result;
}
