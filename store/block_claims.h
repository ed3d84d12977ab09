// BlockClaims: how ranks share the blocks of a cell. One list a cell in the shared folder, RUN.work/
// <cell>.claims, one line a claim: "first end rank host pid", the ids [first, end) that this rank makes. A
// rank takes the next block that nobody has, under a lock on the list, so a fast rank takes more of them than
// a slow one. What a rank that is gone has claimed and not finished is taken over, by any rank, or by itself
// when it is started again.
//
// No sample depends on a claim: the values of a block are the same whoever makes it, parts carry checksums,
// and folding looks at parts only. A lost or damaged list costs a block made twice.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "store/file_lock.h"

namespace schedbench {

/// Sample ids [first, end) of one block.
struct IdRange {
    int64_t first = 0, end = 0;
    friend auto operator<=>(const IdRange&, const IdRange&) = default;
};

/// Blocks of `batch` consecutive ids that cover [first, end); the first and last one may be cut.
std::vector<IdRange> blocks_of(int64_t first, int64_t end, int64_t batch);

std::string claims_path(const std::string& run_path, const std::string& cell);

class BlockClaims {
  public:
    /// `blocks`: those that the cell lacks, as blocks_of() gives them. `own`: ids in this rank's work file.
    /// The caller holds the RankLock of `rank`.
    BlockClaims(const std::string& run_path, const std::string& cell, int64_t rank,
                std::vector<IdRange> blocks, std::span<const int64_t> own);

    /// The next block for this rank: first what it has claimed in an earlier life and not finished, then what
    /// nobody has claimed, then what ranks that are gone left behind. nullopt: nothing is left for it, or the
    /// cell is in the run. Error("store") if the part of a rank that is gone is damaged.
    std::optional<IdRange> next();

  private:
    std::optional<IdRange> abandoned();
    void read_list();
    void claim(const IdRange& block, int64_t rank, const std::string& process);
    void adopt_parts();
    bool claimed(const IdRange& block) const;
    bool stored() const;

    std::string run_path_, cell_;
    int64_t rank_;
    std::vector<IdRange> blocks_;
    std::set<int64_t> own_;
    FileLock list_;
    int64_t read_to_ = 0;  ///< bytes of the list that are known
    struct Claim {
        int64_t end = 0, rank = 0;
    };
    std::map<int64_t, Claim> claims_;  ///< by the block's first id; a later line replaces an earlier one
    std::deque<IdRange> earlier_;      ///< claimed by this rank before it was started again, not finished
    size_t unclaimed_ = 0;             ///< blocks before this one are claimed
    bool begun_ = false;
};

}  // namespace schedbench
