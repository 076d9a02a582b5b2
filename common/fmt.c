/* SPDX-License-Identifier: Apache-2.0 */
/* The plain conversions of printf; see fmt.h. */
#include "common/fmt.h"

#include "common/err.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";

struct text {
	char *p;
	size_t size, n;
};

static void put(struct text *t, const char *s, size_t n)
{
	if (t->n < t->size && n > 0) {
		size_t room = t->size - t->n;

		memcpy(t->p + t->n, s, n < room ? n : room);
	}
	t->n += n;
}

static void put_number(struct text *t, unsigned long long v, bool minus)
{
	char digits[24];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	if (minus)
		digits[--at] = '-';
	put(t, digits + at, sizeof(digits) - at);
}

static void put_signed(struct text *t, long long v)
{
	put_number(t, v < 0 ? 0 - (unsigned long long)v : (unsigned long long)v, v < 0);
}

/* Behind an 'l'. @return false: not one of ours */
static bool convert_long(struct text *t, const char *f, va_list *ap)
{
	if (f[0] == 'u')
		put_number(t, va_arg(*ap, unsigned long), false);
	else if (f[0] == 'd')
		put_signed(t, va_arg(*ap, long));
	else if (f[0] == 'l' && f[1] == 'u')
		put_number(t, va_arg(*ap, unsigned long long), false);
	else if (f[0] == 'l' && f[1] == 'd')
		put_signed(t, va_arg(*ap, long long));
	else
		return false;
	return true;
}

/* @return false: more than an octet */
static bool put_octet(struct text *t, unsigned v, const char *digits)
{
	char two[2] = {digits[v >> 4 & 15], digits[v & 15]};

	put(t, two, sizeof(two));
	return v <= 255;
}

/* One conversion; *at is behind its '%'. @return false: not one of ours */
static bool convert(struct text *t, const char **at, va_list *ap)
{
	const char *f = *at, *s;

	switch (*f) {
	case 's':
		s = va_arg(*ap, const char *);
		s = s != NULL ? s : "(null)";
		put(t, s, strlen(s));
		break;
	case '.':
		if (f[1] != '*' || f[2] != 's') {
			return false;
		} else {
			int n = va_arg(*ap, int);

			s = va_arg(*ap, const char *);
			if (n < 0 || (s == NULL && n > 0))
				return false;
			put(t, s, n > 0 ? strnlen(s, (size_t)n) : 0);
			f += 2;
		}
		break;
	case 'u':
		put_number(t, va_arg(*ap, unsigned), false);
		break;
	case 'd':
		put_signed(t, va_arg(*ap, int));
		break;
	case 'l':
		if (!convert_long(t, ++f, ap))
			return false;
		f += *f == 'l';
		break;
	case 'z':
		if (*++f != 'u')
			return false;
		put_number(t, va_arg(*ap, size_t), false);
		break;
	case '0':
		if (f[1] != '2' || (f[2] != 'x' && f[2] != 'X'))
			return false;
		if (!put_octet(t, va_arg(*ap, unsigned), f[2] == 'X' ? upper : lower))
			return false;
		f += 2;
		break;
	case 'c': {
		char c = (char)va_arg(*ap, int);

		put(t, &c, 1);
		break;
	}
	case '%':
		put(t, f, 1);
		break;
	default:
		return false;
	}
	*at = f + 1;
	return true;
}

size_t gw_vfmt(char *out, size_t size, const char *fmt, va_list ap)
{
	struct text t = {out, size, 0};
	const char *f = fmt;
	va_list mine;
	int n;

	va_copy(mine, ap);
	for (;;) {
		const char *pct = strchrnul(f, '%');

		put(&t, f, (size_t)(pct - f));
		f = pct + 1;
		if (*pct == '\0') {
			va_end(mine);
			if (size > 0)
				out[t.n < size ? t.n : size - 1] = '\0';
			return t.n;
		}
		if (!convert(&t, &f, &mine))
			break;
	}
	va_end(mine);
	n = vsnprintf(out, size, fmt, ap);
	return n > 0 ? (size_t)n : 0;
}

size_t gw_fmt(char *out, size_t size, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = gw_vfmt(out, size, fmt, ap);
	va_end(ap);
	return n;
}

int gw_asfmt(char **out, const char *fmt, ...)
{
	GW_UNINIT char text[512];
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = gw_vfmt(text, sizeof(text), fmt, ap);
	va_end(ap);
	*out = n < INT_MAX ? malloc(n + 1) : NULL;
	if (*out == NULL)
		return -1;
	if (n < sizeof(text)) {
		memcpy(*out, text, n + 1);
		return (int)n;
	}
	va_start(ap, fmt);
	(void)gw_vfmt(*out, n + 1, fmt, ap);
	va_end(ap);
	return (int)n;
}
