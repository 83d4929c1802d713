/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * What differs between clang -target bpf and a native C compiler, and nothing
 * else: function attributes, byte order, atomics, bounded loops.
 */
#ifndef SL_COMPAT_H
#define SL_COMPAT_H

#include <linux/types.h>
#include <stdbool.h>

#define SL_INLINE static inline __attribute__((always_inline, unused))

#ifdef __bpf__
/* Verified once and by itself, whatever the number of callers: keeps the
 * verifier's work a sum over functions instead of a product over paths. Weak, or
 * clang would leave arguments unset that it sees are not used, and the verifier
 * refuses such a call. */
#define SL_GLOBAL __attribute__((noinline, weak))
#else
#define SL_GLOBAL static __attribute__((noinline, unused))
#endif

#define SL_LIKELY(x) __builtin_expect(!!(x), 1)
#define SL_UNLIKELY(x) __builtin_expect(!!(x), 0)

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the packet path is written for little-endian machines"
#endif
#define SL_BE16(x) ((__be16)__builtin_bswap16((__u16)(x)))
#define SL_BE32(x) ((__be32)__builtin_bswap32((__u32)(x)))
#define SL_FROM_BE16(x) __builtin_bswap16((__u16)(x))
#define SL_FROM_BE32(x) __builtin_bswap32((__u32)(x))

/* A single access of the given width that the compiler neither splits,
 * repeats nor drops. */
#define SL_READ(x) (*(volatile __typeof__(x) *)&(x))
#define SL_WRITE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

/*
 * A bound of the packet that was checked before. BPF's verifier has forgotten it
 * and wants it again; a native build does not look twice.
 */
#ifdef __bpf__
#define SL_STILL(bound) (bound)
#else
#define SL_STILL(bound) ((void)sizeof(bound), true)
#endif

/*
 * Atomics of the flow table. Each is a full barrier. clang 14 knows no
 * acquire and release for BPF; its plain accesses stay in program order as the
 * JIT emits them, and x86 keeps loads with loads and stores with stores, so
 * there SL_ORDER() binds the compiler alone.
 */
#ifdef __bpf__
#define SL_ORDER() __asm__ volatile("" ::: "memory")
#else
#define SL_ORDER() __atomic_thread_fence(__ATOMIC_ACQ_REL)
#endif
#define SL_CAS(p, old, new) __sync_val_compare_and_swap((p), (old), (new))
#define SL_FETCH_ADD(p, n) __sync_fetch_and_add((p), (n))

/*
 * x & mask, done where it stands. The verifier learns a bound from the register
 * that is compared or masked, and clang likes to compare one copy and use
 * another. The mask is a constant of the form 2^n - 1.
 */
#ifdef __bpf__
#define SL_MASKED(x, mask)                                              \
	({                                                              \
		__u64 v_ = (x);                                         \
		__asm__ volatile("%0 &= %1" : "+r"(v_) : "i"(mask));    \
		v_;                                                     \
	})
#else
#define SL_MASKED(x, mask) ((__u64)(x) & (mask))
#endif

/*
 * Call step(i, context) for i = 0, 1, … below n until it returns non-zero.
 * In BPF the verifier checks the body once instead of n times.
 */
#ifdef __bpf__
#define SL_LOOP(n, step, context) bpf_loop((n), (step), (context), 0)
#else
#define SL_LOOP(n, step, context)                              \
	do {                                                   \
		for (__u32 i_ = 0; i_ < (__u32)(n); i_++)      \
			if ((step)(i_, (context)) != 0)        \
				break;                         \
	} while (0)
#endif

#endif
