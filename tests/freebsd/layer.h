/*
 * The system calls that the linker sends to the layer, and their originals.
 */
int	__wrap_open64(const char*, int, ...);
int	__real_open64(const char*, int, ...);
int	__wrap_openat64(int, const char*, int, ...);
int	__real_openat64(int, const char*, int, ...);
int	__wrap_close(int);
int	__real_close(int);
int	__wrap_stat64(const char*, struct stat*);
int	__real_stat64(const char*, struct stat*);
int	__wrap_fstat64(int, struct stat*);
int	__real_fstat64(int, struct stat*);
ssize_t	__wrap_read(int, void*, size_t);
ssize_t	__real_read(int, void*, size_t);
ssize_t	__wrap_write(int, const void*, size_t);
ssize_t	__real_write(int, const void*, size_t);
ssize_t	__wrap_pread64(int, void*, size_t, off_t);
ssize_t	__wrap_pwrite64(int, const void*, size_t, off_t);
ssize_t	__wrap_preadv64(int, const struct iovec*, int, off_t);
ssize_t	__real_preadv64(int, const struct iovec*, int, off_t);
ssize_t	__wrap_pwritev64(int, const struct iovec*, int, off_t);
ssize_t	__real_pwritev64(int, const struct iovec*, int, off_t);
int	__wrap_poll(struct pollfd*, nfds_t, int);
int	__real_poll(struct pollfd*, nfds_t, int);
int	__wrap_socket(int, int, int);
int	__wrap_ioctl(int, unsigned long, ...);
int	__wrap_getopt(int, char *const*, const char*);
int	__wrap_mincore(void*, size_t, unsigned char*);
struct statfs;
int	__wrap_fstatfs(int, struct statfs*);
