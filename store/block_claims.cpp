#include "store/block_claims.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <mutex>

#include "core/error.h"
#include "store/fold.h"
#include "store/rank_lock.h"
#include "store/run_file.h"
#include "store/run_lock.h"
#include "store/work_file.h"

namespace schedbench {
namespace {

template <class Ids>
bool holds(const Ids& ids, const IdRange& block) {  // ids: rising
    const auto begin = ids.lower_bound(block.first), end = ids.lower_bound(block.end);
    return std::distance(begin, end) == block.end - block.first;
}

std::set<int64_t> as_set(std::span<const int64_t> ids) {
    return {ids.begin(), ids.end()};
}

}  // namespace

std::vector<IdRange> blocks_of(int64_t first, int64_t end, int64_t batch) {
    SCHEDBENCH_ASSERT(first >= 0 && batch > 0);
    std::vector<IdRange> out;
    for (int64_t begin = first / batch * batch; begin < end; begin += batch)
        out.push_back({std::max(first, begin), std::min(end, begin + batch)});
    return out;
}

std::string claims_path(const std::string& run_path, const std::string& cell) {
    return work_folder(run_path) + "/" + cell + ".claims";
}

BlockClaims::BlockClaims(const std::string& run_path, const std::string& cell, int64_t rank,
                         std::vector<IdRange> blocks, std::span<const int64_t> own)
    : run_path_(run_path),
      cell_(cell),
      rank_(rank),
      blocks_(std::move(blocks)),
      own_(as_set(own)),
      list_(claims_path(run_path, cell)) {}

std::optional<IdRange> BlockClaims::next() {
    const std::lock_guard lock(list_);
    read_list();
    if (!begun_) {
        begun_ = true;
        // The list outlives neither the parts nor their arrival in the run, and only then a new one is begun:
        // so a cell that another rank has just stored is seen here, whichever of the two lists was opened.
        if (stored()) return std::nullopt;
        if (read_to_ == 0) adopt_parts();
        for (const IdRange& block : blocks_) {
            const auto it = claims_.find(block.first);
            if (it != claims_.end() && it->second.rank == rank_ && !holds(own_, block))
                earlier_.push_back(block);
        }
    }
    std::optional<IdRange> found;
    while (!found && !earlier_.empty()) {
        const IdRange block = earlier_.front();
        earlier_.pop_front();
        if (claims_.at(block.first).rank != rank_) continue;
        if (claimed(block)) return block;  // the line is there already
        found = block;                     // the cell has grown since, and with it the block
    }
    while (!found && unclaimed_ < blocks_.size()) {
        const IdRange& block = blocks_[unclaimed_++];
        if (!claimed(block) && !holds(own_, block)) found = block;
    }
    if (!found) found = abandoned();
    if (found) claim(*found, rank_, process_name());
    return found;
}

// Called under the list's lock. While the lock of an absent rank is held it cannot start, so its part stands
// still.
std::optional<IdRange> BlockClaims::abandoned() {
    std::map<int64_t, std::vector<IdRange>> of_rank;
    for (const IdRange& block : blocks_) {
        const auto it = claims_.find(block.first);
        if (it != claims_.end() && it->second.rank != rank_) of_rank[it->second.rank].push_back(block);
    }
    for (const auto& [rank, blocks] : of_rank) {
        const std::optional<RankLock> absent = RankLock::of_absent(run_path_, rank);
        if (!absent) continue;
        const std::set<int64_t> done = as_set(finished_ids({WorkFile::path_of(run_path_, cell_, rank)}));
        for (const IdRange& block : blocks)
            if (!holds(done, block) && !holds(own_, block)) {
                // Its part may be gone because the cell is stored.
                if (stored()) return std::nullopt;
                return block;
            }
    }
    return std::nullopt;
}

bool BlockClaims::claimed(const IdRange& block) const {
    const auto it = claims_.find(block.first);
    return it != claims_.end() && it->second.end >= block.end;
}

bool BlockClaims::stored() const {
    return !blocks_.empty() && std::filesystem::exists(run_path_) &&
           RunFile::open(run_path_).cell_count(cell_) >= blocks_.back().end;
}

/// A new list beside parts that are there already (made without claims, or the list was lost): what the parts
/// hold counts as claimed by their ranks.
void BlockClaims::adopt_parts() {
    for (const std::string& path : find_parts({work_folder(run_path_)}, cell_)) {
        const std::string name = path.substr(0, path.size() - 3);  // <cell>.<rank>.h5
        const int64_t rank = std::stoll(name.substr(name.rfind('.') + 1));
        if (rank == rank_) continue;
        const std::set<int64_t> done = as_set(finished_ids({path}));
        for (const IdRange& block : blocks_)
            if (holds(done, block)) claim(block, rank, "- 0");
    }
}

void BlockClaims::read_list() {
    struct stat status {};
    if (::fstat(list_.descriptor(), &status) != 0) status.st_size = read_to_;
    const int64_t size = status.st_size - read_to_;
    if (size <= 0) return;
    std::string text(static_cast<size_t>(size), '\0');
    const ssize_t got = ::pread(list_.descriptor(), text.data(), text.size(), read_to_);
    if (got < 0) throw Error("store", std::string("cannot be read: ") + std::strerror(errno), list_.path());
    text.resize(static_cast<size_t>(got));
    // A line is written at once; a torn one (power loss) is nobody's claim, and the next claim ends it.
    for (size_t end = 0, begin = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
        long long first = 0, last = 0, rank = 0, process = 0;
        const std::string line = text.substr(begin, end - begin);
        if (std::sscanf(line.c_str(), "%lld %lld %lld %*s %lld", &first, &last, &rank, &process) == 4)
            claims_[first] = {last, rank};
        read_to_ += static_cast<int64_t>(end + 1 - begin);
    }
}

void BlockClaims::claim(const IdRange& block, int64_t rank, const std::string& process) {
    struct stat status {};
    const bool torn = ::fstat(list_.descriptor(), &status) == 0 && status.st_size > read_to_;
    const std::string line = (torn ? "\n" : "") + std::to_string(block.first) + " " +
                             std::to_string(block.end) + " " + std::to_string(rank) + " " + process + "\n";
    if (::write(list_.descriptor(), line.data(), line.size()) != static_cast<ssize_t>(line.size()))
        throw Error("store", std::string("cannot be written: ") + std::strerror(errno), list_.path(),
                    "is the disk full?");
    read_list();
}

}  // namespace schedbench
