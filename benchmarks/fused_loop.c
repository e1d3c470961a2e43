/* W1 as one writes it in C by hand: value and gradient of reward + direct KL in one pass over the rows, with OpenMP and the vector
   exponential and logarithm of libmvec (gcc -O3 -march=native -ffast-math -fopenmp). It knows its problem: one discount, one weight
   for all decisions, no padding, no rare events, no checks. The formulas stand in dstheory/kernels/gradient.py.
   REAL is double or float. */
#include <math.h>

#ifndef REAL
#define REAL double
#endif
#define EXP(x) (sizeof(REAL) == 8 ? exp(x) : expf(x))
#define LOG(x) (sizeof(REAL) == 8 ? log(x) : logf(x))
#define WIDEST 4096

/* Returns the objective; fills the two gradients. */
double fused_loop(long prompts, long answers, const REAL *restrict z, const REAL *restrict l, const REAL *restrict z_ref, const REAL *restrict l_ref,
                  const REAL *restrict r_stop, const REAL *restrict r_resample, const REAL *restrict w_s, const REAL *restrict rho, REAL beta, REAL gamma,
                  REAL *restrict grad_z, REAL *restrict grad_l)
{
    double objective = 0;
#pragma omp parallel for schedule(static) reduction(+ : objective)
    for (long x = 0; x < prompts; x++) {
        REAL mass[WIDEST], stop[WIDEST], payoff[WIDEST], ratio[WIDEST];
        const long row = x * answers;
        REAL top = z[row], top_ref = z_ref[row];
#pragma omp simd reduction(max : top, top_ref)
        for (long y = 0; y < answers; y++) {
            top = z[row + y] > top ? z[row + y] : top;
            top_ref = z_ref[row + y] > top_ref ? z_ref[row + y] : top_ref;
        }
        REAL total = 0, total_ref = 0, total_weight = 0, total_ratio = 0, total_stop = 0, total_paid = 0, total_kl = 0;
#pragma omp simd reduction(+ : total, total_ref, total_weight, total_ratio, total_stop, total_paid, total_kl)
        for (long y = 0; y < answers; y++) {
            const REAL shifted = z[row + y] - top, shifted_ref = z_ref[row + y] - top_ref;
            const REAL e = EXP(shifted), drift = l[row + y] - l_ref[row + y];
            const REAL t = EXP(-l[row + y]), t_ref = EXP(-l_ref[row + y]);
            const REAL s = 1 / (1 + t), weighted = e * w_s[row + y];
            mass[y] = e;
            stop[y] = s;
            ratio[y] = shifted - shifted_ref;
            payoff[y] = r_resample[row + y] + s * (r_stop[row + y] - r_resample[row + y]);
            total += e;
            total_ref += EXP(shifted_ref);
            total_weight += weighted;
            total_ratio += weighted * ratio[y];
            total_stop += e * s;
            total_paid += e * payoff[y];
            /* KL of two coins: s drift - softplus(l) + softplus(l_ref), and softplus(l) = l + log(1 + e^-l). */
            total_kl += e * (s * drift - drift + LOG((1 + t_ref) * s));
        }
        const REAL scale = 1 / total, p_stop = total_stop * scale, paid = total_paid * scale;
        const REAL visits = 1 / p_stop, discounted = 1 / ((1 - gamma) + gamma * p_stop), value = paid * discounted;
        const REAL shift = LOG(total / total_ref), mean = (total_ratio - shift * total_weight) * scale;
        const REAL by_reward = rho[x] * discounted * scale, by_penalty = rho[x] * visits * beta * scale;
        objective += rho[x] * (value - beta * visits * (mean + total_kl * scale));
#pragma omp simd
        for (long y = 0; y < answers; y++) {
            const REAL s = stop[y], e = mass[y];
            const REAL advantage = (payoff[y] - paid) + gamma * value * (p_stop - s);
            const REAL margin = r_stop[row + y] - r_resample[row + y] - gamma * value;
            grad_z[row + y] = e * (by_reward * advantage - by_penalty * (w_s[row + y] * (ratio[y] - shift) - mean));
            grad_l[row + y] = e * s * (1 - s) * (by_reward * margin - by_penalty * (l[row + y] - l_ref[row + y]));
        }
    }
    return objective;
}

/* STREAM's triad. */
void triad(long size, const REAL *restrict b, const REAL *restrict c, REAL scalar, REAL *restrict a)
{
#pragma omp parallel for schedule(static)
    for (long i = 0; i < size; i++)
        a[i] = b[i] + scalar * c[i];
}
