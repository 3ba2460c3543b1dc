// Quizzes: counts the questions whose first opened answer is the right one, and says so to a screen reader too.

function keepScore(quiz) {
  const first = new Map(); // question -> whether its first answer was right
  const score = quiz.querySelector(".quiz-score");
  quiz.addEventListener(
    "toggle",
    ({ target }) => {
      const question = target.closest(".quiz-question");
      if (!target.open || first.has(question)) return;
      first.set(question, target.classList.contains("quiz-right"));
      const right = [...first.values()].filter(Boolean).length;
      score.textContent = score.dataset.words.replace("{right}", right).replace("{answered}", first.size);
    },
    true, // "toggle" does not bubble
  );
}

document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".quiz").forEach(keepScore));
