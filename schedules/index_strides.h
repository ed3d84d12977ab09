// The published ways to choose `count` entries of a table of `table_size`, each rising and to the letter,
// with the rounding of the original code. The first three count from 1, as their papers do; the others from
// 0.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace schedbench {

/// round(1 + (k-1)(T-1)/(K-1)), the position accumulated in double; {1} for K = 1 (Nichol and Dhariwal 2021).
std::vector<int64_t> even_indices(int64_t table_size, int64_t count);
/// round(k T/K), exact, half to even (Watson et al. 2021).
std::vector<int64_t> even_kt_indices(int64_t table_size, int64_t count);
/// t_k = max(round(T (k/K)^2), t_{k-1} + 1), exact, half to even (Watson et al. 2021).
std::vector<int64_t> quadratic_indices(int64_t table_size, int64_t count);

/// From 0. 0, s, 2s, ... below T, s = floor(T/N): ceil(T/s) entries, not always N (Song et al. 2020).
std::vector<int64_t> ddim_uniform_indices(int64_t table_size, int64_t count);
/// From 0. floor(linspace(0, sqrt(0.8 T), N)^2); repeated entries are left in (Song et al. 2020).
std::vector<int64_t> ddim_quad_indices(int64_t table_size, int64_t count);
/// From 0. round(linspace(0, T-1, N)), or of N + 1 points without the lowest (Lin et al. 2023).
std::vector<int64_t> linspace_indices(int64_t table_size, int64_t count, bool multistep);
/// From 0. k floor(T/N), k = 0..N-1, or k floor(T/(N+1)), k = 1..N (Lin et al. 2023).
std::vector<int64_t> leading_indices(int64_t table_size, int64_t count, bool multistep);
/// From 0. round(arange(T, 0, -T/N)) - 1; N + 1 entries with a first -1 at some N, from rounding (Lin et al.
/// 2023).
std::vector<int64_t> trailing_indices(int64_t table_size, int64_t count);

/// From 0, rising. sections: counts separated by commas, each for one part of the table (equal parts; the
/// first T mod parts are longer by one): start + round(k (size-1)/(count-1)), the position accumulated in
/// double; a count of 1 keeps the first entry of its part. Or ddimN: 0, s, 2s, ... with the smallest whole
/// stride s < T that gives N entries (Nichol and Dhariwal 2021). Error("spec") for other text, a part smaller
/// than its count, or no such stride.
std::vector<int64_t> respacing_indices(int64_t table_size, const std::string& sections,
                                       const std::string& where);

/// Entries counted from 0, counted from 1.
std::vector<int64_t> from_one(std::vector<int64_t> zero_based);

}  // namespace schedbench
