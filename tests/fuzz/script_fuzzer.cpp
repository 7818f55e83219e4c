// Scripts of eddy load: whatever is in the file, it is read or refused with its place; and what was
// read can be played.
#include "load/script.h"

#include "fuzz.h"

using eddy::load::Script;
using eddy::load::ScriptStep;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto script = Script::parse(text, "file");
  if (!script) {
    FUZZ_CHECK(script.error().subject().starts_with("file:"));
    return 0;
  }
  FUZZ_CHECK(script->opening() < script->size());
  for (size_t i = 0; i < script->size(); ++i) {
    const ScriptStep& step = (*script)[i];
    FUZZ_CHECK(step.line > 0);
    FUZZ_CHECK((step.kind == ScriptStep::Kind::kSend) || i >= script->opening());
    const bool has_text =
        step.kind != ScriptStep::Kind::kBytes && step.kind != ScriptStep::Kind::kEnd;
    FUZZ_CHECK(step.texts.empty() != has_text);
    if (step.kind == ScriptStep::Kind::kUntil) {
      FUZZ_CHECK(step.borders.size() == step.texts[0][0].bytes.size());
    }
  }
  FUZZ_CHECK((*script)[script->size() - 1].kind != ScriptStep::Kind::kSend);
  return 0;
}
